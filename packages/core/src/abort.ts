// The last parameter of every async function of ours: how its caller calls it off.

export interface AbortOptions {
  signal?: AbortSignal
}

// Limits that more than one package must agree on. Each has its reason; docs/limits.md is generated
// from these comments. Limits of one package alone are in that package's options.ts.

export const limits: {
  readonly blockBytesMax: number
  readonly leafBytes: number
  readonly linksPerNodeMax: number
  readonly objectBytesMax: number
  readonly nameCharsMax: number
} = Object.freeze({
  /** Largest block stored, sent or accepted, in bytes: the bound of bitswap and of HTTP retrieval, so every block of ours can travel by both. */
  blockBytesMax: 2 * 1024 * 1024,
  /** Size of a leaf our own ingest makes, in bytes: `unixfs-v1-2025`, IPIP-499. */
  leafBytes: 1024 * 1024,
  /** Links of an inner node our own ingest makes: `unixfs-v1-2025`, IPIP-499. */
  linksPerNodeMax: 1024,
  /** Largest object, in bytes: 1 TiB, two full levels of links over full leaves; more is no media file. */
  objectBytesMax: 1024 * 1024 * 1024 * 1024,
  /** Longest name parsed, in characters: no CID of ours comes near, and longer ones only cost time. */
  nameCharsMax: 128
})

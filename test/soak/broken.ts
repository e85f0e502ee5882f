// What a soak holds the pool to, and the one error that says which part of it did not hold.

export const checks = {
  bytes: 'every byte served was right',
  reads: 'every read that was owed was answered',
  ends: 'nobody ended by itself, every polite stop and start succeeded',
  cleanings: 'every cleaning interval found all acknowledged objects healthy',
  flips: 'every bit flipped on a disk was found, and what it was in made whole',
  proofs: 'at the end: at least 3 proven copies of every acknowledged object',
  bridges: 'at the end: every acknowledged object byte for byte from every bridge',
  forks: 'at the end: no journal forked',
  torn: 'at the end: no torn block in any block folder',
  strays: 'at the end: no temporary file in any block folder',
  disks: 'at the end: every acknowledged object on at least 3 disks'
} as const

export type Check = keyof typeof checks

export class Broken extends Error {
  readonly check: Check

  constructor(check: Check, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Broken'
    this.check = check
  }
}

// Delays that must outlast work over an object's bytes, and so grow with it: a film has to be as possible
// to prove, to wait for and to release as a picture. Pure; the speeds are options.

import type { KeepingOptions } from '../keep/keeping-options.ts'

/** How long the answer to a challenge over so many bytes is waited for. */
export function answerMsFor(bytes: number, options: KeepingOptions): number {
  return options.proofAnswerMs + timeFor(bytes, options.proofBytesPerSecondMin)
}

/** How long the slowest disk takes to answer a challenge over so many bytes, the way there and back included. */
export function readMsFor(bytes: number, options: KeepingOptions): number {
  return options.proofWayMs + timeFor(bytes, options.proofDiskBytesPerSecondMin)
}

/** How long a keeper may take to make an offered object durable. */
export function offerMsFor(bytes: number, options: KeepingOptions): number {
  return options.offerAnswerMs + timeFor(bytes, options.offerBytesPerSecondMin)
}

/** How long a source counts whoever means to fetch the object as a copy. */
export function intentMsFor(bytes: number, options: KeepingOptions): number {
  return options.fetchIntentMs + timeFor(bytes, options.offerBytesPerSecondMin)
}

/** How long a promise not to release an object of so many file bytes binds. */
export function holdMsFor(bytes: number, options: KeepingOptions): number {
  return options.holdMs + timeFor(bytes, options.holdBytesPerSecond)
}

/** The options as they are for one object: its claims have longer to be proven, the more there is to read. */
export function patientWith(bytes: number, options: KeepingOptions): KeepingOptions {
  const proofPatienceMs = options.proofPatienceMs + timeFor(bytes, options.proofBytesPerSecondMin)
  return { ...options, proofPatienceMs }
}

function timeFor(bytes: number, bytesPerSecond: number): number {
  return (bytes / bytesPerSecond) * 1000
}

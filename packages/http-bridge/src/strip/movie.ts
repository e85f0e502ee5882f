// The `moov` box of MP4 and QuickTime: where a camera writes place, time, owner and device. What players need stays
// byte for byte; the rest is blanked where it stands.

import { type Box, blank, boxesIn } from './boxes.ts'

const keptInMovie: ReadonlySet<string> = new Set([
  'mvhd',
  'trak',
  'mvex',
  'iods',
  'pssh',
  'clip',
  'free',
  'skip'
])
const keptInTrack: ReadonlySet<string> = new Set([
  ...['tkhd', 'tref', 'trgr', 'edts', 'mdia', 'tapt', 'clip', 'matt', 'load', 'free', 'skip']
])
/** Spherical video v1: how to draw the picture, which is not about who made it. */
const sphericalVideo = 'ffcc8263f8554a938814587a02521fdd'

/** Edits `moov` in place. @throws InvalidInputError when its boxes do not nest */
export function cleanMovie(
  bytes: Uint8Array,
  moov: { body: number; end: number },
  removed: Set<string>
): void {
  for (const box of boxesIn(bytes, moov.body, moov.end)) {
    if (box.type === 'mvhd') clearTimes(bytes, box, removed)
    else if (box.type === 'trak') cleanTrack(bytes, box, removed)
    else if (isSlack(box)) blank(bytes, box)
    else if (!keptInMovie.has(box.type)) erase(bytes, box, removed)
  }
}

function cleanTrack(bytes: Uint8Array, track: Box, removed: Set<string>): void {
  // Tracks of timed metadata (GPS of action cameras, `mebx` of phones) are no longer found by any player. Their
  // samples lie among those of sound and picture and stay there, unindexed; docs/http-api.md says so.
  if (handlerOf(bytes, track) === 'meta') {
    blank(bytes, track)
    removed.add('timed metadata')
    return
  }
  for (const box of boxesIn(bytes, track.body, track.end)) {
    if (box.type === 'tkhd') clearTimes(bytes, box, removed)
    else if (box.type === 'mdia') {
      for (const part of boxesIn(bytes, box.body, box.end))
        if (part.type === 'mdhd') clearTimes(bytes, part, removed)
    } else if (isSlack(box)) blank(bytes, box)
    else if (!keptInTrack.has(box.type) && box.uuid !== sphericalVideo) erase(bytes, box, removed)
  }
}

function handlerOf(bytes: Uint8Array, track: Box): string | undefined {
  for (const media of boxesIn(bytes, track.body, track.end)) {
    if (media.type !== 'mdia') continue
    for (const box of boxesIn(bytes, media.body, media.end)) {
      if (box.type !== 'hdlr' || box.end - box.body < 12) continue
      return Buffer.from(bytes.subarray(box.body + 8, box.body + 12)).toString('latin1')
    }
  }
  return undefined
}

/** Creation and modification time, which §8.2.2 lets be zero: 32 bits each in version 0, 64 in version 1. */
function clearTimes(bytes: Uint8Array, box: Box, removed: Set<string>): void {
  const from = box.body + 4
  const to = Math.min(from + (bytes[box.body] === 1 ? 16 : 8), box.end)
  if (from >= to) return
  if (bytes.subarray(from, to).some((byte) => byte !== 0)) removed.add('time')
  bytes.fill(0, from, to)
}

/** Free space may hold what an editor thought it had deleted. */
function isSlack(box: Box): boolean {
  return box.type === 'free' || box.type === 'skip'
}

function erase(bytes: Uint8Array, box: Box, removed: Set<string>): void {
  removed.add(box.type === 'udta' || box.type === 'meta' ? 'user data' : box.type)
  blank(bytes, box)
}

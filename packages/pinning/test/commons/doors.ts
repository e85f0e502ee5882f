// Every door through which a record of this half comes in as bytes: how it is opened, and a good one. And
// random damage to them: only typed refusals may come of it, and buffers must stay bounded (the heap is
// bounded by the worker in which bad-input.slow.test.ts runs this).

import assert from 'node:assert/strict'
import {
  decodeRecord,
  encodeRecord,
  fromHex,
  OperatingError,
  openSigned,
  type RecordType,
  signRecord
} from '@commonhold/core'
import fc from 'fast-check'
import { openLogged } from '../../src/journal/journal-log.ts'
import {
  openingBytesMax,
  openingRecord,
  openOpening,
  openSealed,
  sealBatch,
  sealedBytesMax
} from '../../src/journal/journal-records.ts'
import { announcementRecord } from '../../src/journal/sync-requests.ts'
import { genesisRecord, openGenesis } from '../../src/roster/genesis.ts'
import { openRosterEntry, rosterEntryBytesMax, rosterEntryRecord } from '../../src/roster/roster-entries.ts'
import { root, type TownNode, wish } from './town.ts'

export interface Door {
  readonly name: string
  readonly open: (bytes: Uint8Array) => unknown
  readonly good: () => Uint8Array
  readonly bytesMax: number
  /** The same form, signed by somebody who may not. */
  readonly wrongAuth?: () => Uint8Array
}

/** @param a a member that has written at least one wish */
export function doorsOf(a: TownNode): Door[] {
  const { roster, journals } = a.commons
  const stranger = a.town.key()
  const k = roster.k
  const opening = (): Uint8Array =>
    journals.graph.get(journals.graph.of(a.operator)[0] ?? '')?.opening ?? assert.fail()
  const place = { journal: new Uint8Array(32), seq: 1, prev: null }
  const batch = sealBatch(
    place,
    [
      { kind: 'pin', wish: wish(1) },
      { kind: 'unpin', root: root(2) }
    ],
    k,
    a.key
  )
  const entry = (): Uint8Array => roster.entries(roster.names.under('').map(fromHex))[0] ?? assert.fail()
  const resigned = <T>(type: RecordType<T>, bytes: Uint8Array): Uint8Array =>
    signRecord(type, openSigned(type, bytes).body, stranger).bytes
  return [
    {
      name: 'genesis',
      open: openGenesis,
      good: () => roster.genesisBytes,
      bytesMax: genesisRecord.bytesMax + 256,
      wrongAuth: () => resigned(genesisRecord, roster.genesisBytes)
    },
    {
      name: 'roster entry',
      open: (bytes) => openRosterEntry(roster.poolId, bytes),
      good: entry,
      bytesMax: rosterEntryBytesMax,
      wrongAuth: () => {
        const delegation = roster
          .entries(roster.names.under('').map(fromHex))
          .find((bytes) => openSigned(rosterEntryRecord, bytes).body.act.is === 'delegate')
        return resigned(rosterEntryRecord, delegation ?? assert.fail())
      }
    },
    {
      name: 'journal opening',
      open: openOpening,
      good: opening,
      bytesMax: openingBytesMax,
      wrongAuth: () => resigned(openingRecord, opening())
    },
    {
      name: 'sealed batch',
      open: (bytes) => openSealed(bytes, k),
      good: () => batch.bytes,
      bytesMax: sealedBytesMax
    },
    {
      name: 'log record',
      open: (bytes) => openLogged(bytes, k),
      good: () => encodeRecord({ batch: batch.bytes }),
      bytesMax: sealedBytesMax + 256
    },
    {
      name: 'announcement',
      open: (bytes) => decodeRecord(announcementRecord, bytes),
      good: () => encodeRecord({ heads: [[batch.journal, 1, batch.hash]], roster: roster.names.digest() }),
      bytesMax: announcementRecord.bytesMax
    }
  ]
}

export function damageAtRandom(doors: readonly Door[], numRuns: number): void {
  const all = doors.map((door) => ({ ...door, bytes: door.good() }))
  let runs = 0
  let buffersBytesMax = 0
  const damage = fc.tuple(
    fc.nat(all.length - 1),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.option(fc.nat(), { nil: undefined }),
    fc.uint8Array({ maxLength: 12 })
  )
  fc.assert(
    fc.property(damage, ([i, flips, cut, inserted]) => {
      const door = all[i]
      assert.ok(door)
      const bytes = Buffer.from(door.bytes)
      for (const [at, value] of flips) bytes[at % bytes.length] = value
      const place = (cut ?? 0) % bytes.length
      const damaged =
        cut === undefined ? bytes : Buffer.concat([bytes.subarray(0, place), inserted, bytes.subarray(place)])
      if (++runs % 16 === 0) {
        buffersBytesMax = Math.max(buffersBytesMax, process.memoryUsage().arrayBuffers)
      }
      try {
        door.open(damaged)
      } catch (err) {
        assert.ok(err instanceof OperatingError, String(err))
      }
    }),
    { numRuns }
  )
  assert.ok(buffersBytesMax < 128 * 2 ** 20, `buffers of ${buffersBytesMax} bytes`)
}

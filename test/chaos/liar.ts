// Loaded into a node before its program (`--import`): turns an honest node into a liar with the real stack. Keys,
// libp2p, protocols, encoders, receipts and proofs are the program's own; only what it believes to be on its
// disk is not. Says each lie into a file beside the data folder, so that a test knows that it was lied to.
//   LIAR=drops   takes the offer, signs, keeps all metadata and inner nodes, drops the bytes, makes some up
//   LIAR=twists  keeps and proves the right bytes, and sends others one with a flipped bit

import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { blockKey } from '../../packages/node/src/block-store.ts'
import { FileBlockStore } from '../../packages/node/src/file-block-store.ts'
import { Objects } from '../../packages/node/src/objects.ts'

const dataFolder = process.argv[process.argv.indexOf('--data') + 1]
const store = FileBlockStore.prototype
const { put, get, has, delete: remove } = store

function lie(what: string, cid: CID): void {
  appendFileSync(`${dataFolder}.lies`, `${what} ${cid}\n`)
}

if (process.env['LIAR'] === 'drops') {
  const dropped = new Map<string, number>()
  store.put = async function (cid, bytes, options) {
    if (cid.code !== rawCode) return put.call(this, cid, bytes, options)
    dropped.set(blockKey(cid), bytes.length)
    lie('dropped', cid)
  }
  store.get = async function (cid, options) {
    const size = dropped.get(blockKey(cid))
    if (size === undefined) return get.call(this, cid, options)
    lie('made up', cid)
    return new Uint8Array(randomBytes(size))
  }
  store.has = async function (cid, options) {
    return dropped.has(blockKey(cid)) || has.call(this, cid, options)
  }
  store.delete = async function (cid, options) {
    return dropped.delete(blockKey(cid)) || remove.call(this, cid, options)
  }
  store.quarantine = async () => false
}

if (process.env['LIAR'] === 'twists') {
  /** Proofs being made and own reads: what is read meanwhile is told as it is. */
  let honest = 0
  const { blocks } = Objects.prototype
  Objects.prototype.blocks = async function* (root, options) {
    honest++
    try {
      yield* blocks.call(this, root, options)
    } finally {
      honest--
    }
  }
  store.get = async function (cid, options) {
    const bytes = await get.call(this, cid, options)
    // An inner node that does not decode would be noticed by anybody; file bytes only by who checks the hash.
    if (bytes === undefined || honest > 0 || cid.code !== rawCode || bytes.length === 0) return bytes
    lie('twisted', cid)
    const twisted = new Uint8Array(bytes)
    const at = Math.floor(twisted.length / 2)
    twisted[at] = (twisted[at] ?? 0) ^ 0x10
    return twisted
  }
}

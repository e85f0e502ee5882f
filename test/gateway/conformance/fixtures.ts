// What the conformance cases are asked about: one archive, made the same each time by importers of other authors, and
// what is known about it beforehand.

import { hash } from 'node:crypto'
import { code as dagPbCode, encode as encodeDagPb, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import {
  type Block,
  carOf,
  cborBlock,
  type SampleDag,
  sampleFolder
} from '../../../packages/node/test/sample-dags.ts'

/** Leaves of 256 bytes, so that small files have many blocks. */
const leafBytes = 256

export interface Fixtures {
  readonly car: Uint8Array
  readonly blocks: ReadonlyMap<string, Uint8Array>
  /** `subdir/` with a one-block and a many-block file, names outside of ASCII, a folder with an index.html. */
  readonly tree: SampleDag
  readonly files: Readonly<Record<string, Uint8Array>>
  /** A sharded folder with files of many blocks. */
  readonly sharded: SampleDag
  readonly shardedFiles: Readonly<Record<string, Uint8Array>>
  /** The same file twice. */
  readonly twice: SampleDag
  /** dag-cbor whose `files/single` is a file of the tree. */
  readonly document: CID
  /** A folder with `foo` and a symbolic link `bar` to it. */
  readonly linked: CID
  /** A file of many blocks with no folder around it. */
  readonly film: { readonly root: CID; readonly leaves: readonly string[]; readonly bytes: Uint8Array }
}

export async function makeFixtures(): Promise<Fixtures> {
  const multiblock = pattern(1026, 1)
  const files = {
    'subdir/ascii.txt': Buffer.from('hello application/vnd.ipld.car\n'),
    'subdir/hello.txt': Buffer.from('hello world\n'),
    'subdir/multiblock.txt': multiblock,
    'ą/ę/file-źł.txt': Buffer.from('I am a txt file in confusing /dirs\n'),
    'site/index.html': Buffer.from('<!doctype html><title>a page</title>'),
    'Portugal%2C+España=Peninsula Ibérica.txt': Buffer.from('hello from a percent encoded filename\n')
  }
  const shardedFiles = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [`${i}.txt`, pattern(i % 50 === 1 ? 1100 : 40, i)])
  )
  const tree = await sampleFolder(files, { leafBytes })
  const sharded = await sampleFolder(shardedFiles, { leafBytes, sharded: true })
  const copies = {
    'ascii.txt': Buffer.from('the same'),
    'ascii-copy.txt': Buffer.from('the same'),
    'multi.txt': multiblock
  }
  const twice = await sampleFolder(copies, { leafBytes })
  const single = tree.cids.get('subdir/ascii.txt')
  const page = cborBlock({ files: { single }, other: [tree.root] })
  const linked = linkedFolder()
  const filmBytes = pattern(1026, 2)
  const filmFolder = await sampleFolder({ film: filmBytes }, { leafBytes })
  const film = filmFolder.cids.get('film')
  if (film === undefined) throw new Error('the film was not made')
  const all = [tree, sharded, twice, filmFolder].flatMap((dag) => dag.blocks)
  const blocks = [...all, page, ...linked.blocks].filter(({ cid }) => !cid.equals(filmFolder.root))
  return {
    car: carOf([tree.root, sharded.root, twice.root, page.cid, linked.root, film], blocks),
    blocks: new Map(blocks.map(({ cid, bytes }) => [cid.toString(), bytes])),
    tree,
    files,
    sharded,
    shardedFiles,
    twice,
    document: page.cid,
    linked: linked.root,
    film: { root: film, leaves: leavesOf(filmBytes), bytes: filmBytes }
  }
}

export function leavesOf(bytes: Uint8Array): string[] {
  const cids: string[] = []
  for (let at = 0; at < bytes.length; at += leafBytes) {
    const digest = createDigest(0x12, hash('sha256', bytes.subarray(at, at + leafBytes), 'buffer'))
    cids.push(CID.createV1(0x55, digest).toString())
  }
  return cids
}

function linkedFolder(): { root: CID; blocks: Block[] } {
  const file = pbBlock(new UnixFS({ type: 'file', data: Buffer.from('contents of foo') }).marshal(), [])
  const symlink = pbBlock(new UnixFS({ type: 'symlink', data: Buffer.from('foo') }).marshal(), [])
  const folder = pbBlock(new UnixFS({ type: 'directory' }).marshal(), [
    { Name: 'bar', Tsize: symlink.bytes.length, Hash: symlink.cid },
    { Name: 'foo', Tsize: file.bytes.length, Hash: file.cid }
  ])
  return { root: folder.cid, blocks: [file, symlink, folder] }
}

function pbBlock(data: Uint8Array, links: { Name: string; Tsize: number; Hash: CID }[]): Block {
  const bytes = encodeDagPb(prepare({ Data: data, Links: links }))
  return { cid: CID.createV1(dagPbCode, createDigest(0x12, hash('sha256', bytes, 'buffer'))), bytes }
}

/** Text in which no two leaves are alike. */
function pattern(length: number, seed: number): Uint8Array {
  let text = ''
  for (let i = 0; text.length < length; i++) text += `${seed}.${i} `
  return Buffer.from(text.slice(0, length))
}

// The way in for what others have built: every block of a CAR, verified and durable, then each of its roots as an
// object. A root counts only when all below it is here and well-formed; whatever is wrong with any of them, nothing
// of the archive is kept.

import { createHash } from 'node:crypto'
import {
  type AbortOptions,
  type ContentPolicy,
  DeniedError,
  InvalidInputError,
  limits,
  MalformedRecordError,
  TooLargeError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { blockKey, verifyBlock } from './block-store.ts'
import { readCar } from './car.ts'
import { isBlock } from './object-dag.ts'
import type { IntakeOptions, ObjectIntake } from './object-intake.ts'
import { ObjectWalk } from './object-walk.ts'
import { defaults } from './options.ts'

export interface ImportCarComponents {
  readonly objects: {
    begin(options: IntakeOptions): Promise<ObjectIntake>
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  }
  readonly policy: ContentPolicy
}

export interface ImportedObject {
  readonly root: CID
  readonly kind: 'file' | 'dag'
  /** File bytes; of a DAG, the bytes of its blocks as a walk meets them. */
  readonly size: number
  /** Plain sha2-256 of the whole file; a DAG has none. */
  readonly digest?: Uint8Array
}

export interface ImportCarOptions extends AbortOptions {
  /** Length of the archive, when known beforehand: without room for it, it is refused at once. */
  readonly sizeMax?: number
  /** Runs when the objects are durable and while nothing can remove them: the place to append the pins. */
  readonly whileHeld?: (imported: readonly ImportedObject[]) => Promise<void>
}

/** @throws InvalidInputError, MalformedRecordError, CorruptBlockError, DeniedError, NoSpaceError, TooLargeError */
export async function importCar(
  source: AsyncIterable<Uint8Array>,
  components: ImportCarComponents,
  options: ImportCarOptions = {}
): Promise<readonly ImportedObject[]> {
  const { sizeMax, signal, whileHeld } = options
  const { roots, blocks } = await readCar(source)
  await using intake = await components.objects.begin({
    origin: 'upload',
    ...(sizeMax === undefined ? {} : { sizeMax })
  })
  const brought = await store(blocks, intake, options)
  const imported: ImportedObject[] = []
  for (const root of distinct(roots)) {
    imported.push(await examine(root, brought, intake, components, options))
  }
  signal?.throwIfAborted()
  for (const object of imported) await intake.complete(object)
  await whileHeld?.(imported)
  return imported
}

/** A few blocks being made durable at once; which there are, by key. */
async function store(
  blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array }>,
  intake: ObjectIntake,
  { signal }: AbortOptions
): Promise<ReadonlySet<string>> {
  const brought = new Set<string>()
  const writing = new Set<Promise<void>>()
  const abort = signal === undefined ? {} : { signal }
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const { cid, bytes } of blocks) {
      signal?.throwIfAborted()
      if (!isBlock(cid)) continue
      verifyBlock(cid, bytes, 'in the archive')
      brought.add(blockKey(cid))
      if (brought.size > defaults.importBlocksMax) {
        throw new InvalidInputError(
          `This CAR has more than ${defaults.importBlocksMax} blocks. Import it in parts, a root each.`
        )
      }
      while (writing.size >= defaults.ingestPutsMax) await Promise.race(writing)
      if (failure !== undefined) break
      const put = intake
        .put(cid, bytes, abort)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => writing.delete(put))
      writing.add(put)
    }
  } finally {
    await Promise.all(writing)
  }
  if (failure !== undefined) throw failure.error
  return brought
}

/** Walks all below the root as every other node will, so that none of them can find fault with it later. */
async function examine(
  root: CID,
  brought: ReadonlySet<string>,
  intake: ObjectIntake,
  { objects, policy }: ImportCarComponents,
  options: AbortOptions
): Promise<ImportedObject> {
  const stepsMax = defaults.importRepeatsMax * (brought.size + 1)
  const walk = new ObjectWalk(root)
  const hash = createHash('sha256')
  let steps = 0
  for (let step = walk.next; step !== undefined; step = walk.next) {
    options.signal?.throwIfAborted()
    if (++steps > stepsMax) {
      throw new InvalidInputError(
        `${root} links to the same blocks over and over: it is more than ${defaults.importRepeatsMax} times as ` +
          'large to read as to store, and so to send and to prove. Import its parts instead.'
      )
    }
    const { cid } = step
    if (step.isEntity) await refuseDenied(cid, root, policy)
    // What the archive leaves out may be here of another object; then it is this one's as well.
    const bytes = brought.has(blockKey(cid))
      ? await objects.block(cid, options)
      : await intake.keep(cid, options)
    if (bytes === undefined) {
      throw new MalformedRecordError('CAR', `it lacks block ${cid} of ${root}, and this node has none`)
    }
    const piece = walk.accept(bytes)
    if (piece !== undefined) hash.update(piece.bytes)
    if ((walk.size ?? 0) > limits.objectBytesMax)
      throw new TooLargeError(`The object ${root}`, limits.objectBytesMax)
  }
  const { kind = 'file', size = 0 } = walk
  const object = { root: root.toV1(), kind, size }
  if (kind === 'dag') return object
  const digest = new Uint8Array(hash.digest())
  const { verdict, reasons } = await policy.decide({ root, digest })
  if (verdict === 'deny') throw new DeniedError(`The file ${root}`, reasons)
  return { ...object, digest }
}

async function refuseDenied(cid: CID, root: CID, policy: ContentPolicy): Promise<void> {
  const digest = cid.code === rawCode ? { digest: cid.multihash.digest } : {}
  const { verdict, reasons } = await policy.decide({ root: cid, ...digest })
  if (verdict !== 'deny') return
  throw new DeniedError(cid.equals(root) ? `The object ${cid}` : `${cid}, a part of ${root},`, reasons)
}

function distinct(roots: readonly CID[]): Iterable<CID> {
  return new Map(roots.map((root) => [root.toV1().toString(), root])).values()
}

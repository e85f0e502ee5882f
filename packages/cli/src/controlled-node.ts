// The running node as commands see it: each question of the control socket answered from the parts
// that know. Translates names and shapes; what is decided is decided in those parts.

import {
  type AbortOptions,
  type Clock,
  type ContentName,
  DeniedError,
  digestOf,
  InvalidInputError,
  type NodeId,
  NotAFileError,
  NotFoundError,
  type OperatorId,
  parseCid,
  parseContentName,
  toHex
} from '@commonhold/core'
import type {
  DataFolder,
  Denial,
  Discovery,
  LocalDenyList,
  Network,
  ObjectFetcher,
  Objects,
  Scrub,
  ScrubState
} from '@commonhold/node'
import {
  type KeeperTerms,
  type MemberStatus,
  type Pool,
  printRecoveryKey,
  type WantedObject
} from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'
import type { ControlledNode, WishOptions } from './control/ports.ts'
import type * as answers from './control/protocol.ts'
import { diagnose } from './diagnose.ts'
import { explained, pinStatusAnswer } from './explained.ts'
import type { NodeIntake } from './intake.ts'
import type { NodeLibrary } from './library.ts'
import type { Membership } from './membership.ts'
import { defaults } from './options.ts'
import { rememberSetting } from './remember-setting.ts'
import type { StoredTokens } from './tokens.ts'
import { counted, formatBytes } from './units.ts'
import { version } from './version.ts'

export interface ComposedParts {
  readonly folder: DataFolder
  readonly nodeId: NodeId
  readonly operatorId: OperatorId
  readonly network: Network
  readonly objects: Objects
  readonly scrub: Pick<Scrub, 'state'>
  readonly fetcher: ObjectFetcher
  readonly discovery: Discovery
  readonly denyList: LocalDenyList
  readonly membership: Membership
  readonly library: NodeLibrary
  readonly intake: NodeIntake
  readonly tokens: StoredTokens
  readonly terms: () => KeeperTerms
  readonly httpUrl: () => string
  readonly clock: Clock
}

export class ComposedNode implements ControlledNode {
  readonly #parts: ComposedParts
  readonly #startedMs: number

  constructor(parts: ComposedParts) {
    this.#parts = parts
    this.#startedMs = parts.clock.monotonicMs()
  }

  about(): answers.AboutAnswer {
    const { folder, nodeId, operatorId, network, httpUrl, clock } = this.#parts
    return {
      version,
      pid: process.pid,
      nodeId,
      operatorId,
      dataFolder: folder.path,
      storeEpoch: toHex(folder.storeEpoch),
      addresses: network.addresses(),
      httpUrl: httpUrl(),
      uptimeMs: Math.round(clock.monotonicMs() - this.#startedMs)
    }
  }

  async status(): Promise<answers.StatusAnswer> {
    const { nodeId, network, httpUrl, objects, scrub } = this.#parts
    const [summary, space, scrubbed, sealed, sealedBytes] = await Promise.all([
      this.#pool.summary(),
      objects.space(),
      scrub.state(),
      this.#pool.sealed(),
      objects.sealedBytes()
    ])
    const members = this.members().map((row) => (row.self ? { ...row, usedBytes: space.usedBytes } : row))
    const disk = diskReasons(scrubbed)
    return {
      health: summary.health.state === 'ok' && disk.length > 0 ? 'warning' : summary.health.state,
      reasons: [
        ...summary.health.reasons.map(({ code, text, command }) => ({ code, message: text, next: command })),
        ...disk
      ],
      node: { id: nodeId, version, httpUrl: httpUrl() },
      pool: this.pool(),
      members,
      objects: {
        total: summary.objects.total,
        bytes: summary.bytes.wanted,
        byHealth: summary.objects.byHealth,
        copies: Object.entries(summary.copies)
          .map(([copies, count]) => ({ copies: Number(copies), objects: count }))
          .sort((a, b) => a.copies - b.copies)
      },
      repairs: summary.repairs,
      groups: summary.groups,
      proofs: { made: summary.proofs.made, wrong: summary.proofs.wrong, overdue: summary.proofs.overdue },
      scrub: scrubbed,
      space: { ...space, sealed: { ...sealed, bytes: sealedBytes } },
      peers: network.peers().length
    }
  }

  async needy(after: string | undefined, limit: number): Promise<answers.NeedyAnswer> {
    const dot = after?.indexOf('.') ?? -1
    const last =
      after === undefined
        ? undefined
        : { copiesLive: Number(after.slice(0, dot)), root: parseCid(after.slice(dot + 1)) }
    const page = await this.#pool.needy(['at risk', 'unreachable', 'lost'], last, limit)
    const end = page.at(-1)
    return {
      objects: page.map(({ root, ...rest }) => ({ cid: root.toString(), ...rest })),
      ...(page.length < limit || end === undefined
        ? {}
        : { next: `${end.copiesLive}.${end.root.toString()}` })
    }
  }

  async doctor(): Promise<readonly answers.DoctorFinding[]> {
    return diagnose({ status: await this.status(), about: this.about() })
  }

  peers(): readonly answers.PeerRow[] {
    const byNode = new Map<NodeId, { addresses: string[]; direction: 'inbound' | 'outbound' }>()
    for (const { node, address, direction } of this.#parts.network.peers()) {
      const known = byNode.get(node)
      if (known === undefined) byNode.set(node, { addresses: [address], direction })
      else known.addresses.push(address)
    }
    return [...byNode].map(([node, peer]) => ({
      node,
      ...peer,
      member: this.#pool.member(node) !== undefined
    }))
  }

  pool(): answers.PoolAnswer {
    const pool = this.#pool
    return {
      id: pool.poolId,
      name: pool.name,
      admission: pool.policy.admission,
      operators: pool.operators().length,
      copiesMin: pool.copiesMinDefault,
      groups: 2 ** pool.k
    }
  }

  members(): readonly answers.MemberRow[] {
    return this.#pool.members().map((member) => memberRow(member, this.#pool.member(member.node)?.zone))
  }

  async keeperRecord(name: string): Promise<answers.KeeperRecordAnswer> {
    const fitting = this.#pool.members().filter(({ node }) => name !== '' && node.endsWith(name))
    const [member] = fitting
    if (member === undefined || fitting.length > 1) {
      throw new NotFoundError(
        `“${name.slice(0, 80)}” is ${member === undefined ? 'no member' : 'more than one member'} of this pool; commonhold pool members --json lists them.`
      )
    }
    const { lastWrong, silentAbout, ...record } = await this.#pool.keeperRecord(member.node)
    return {
      ...record,
      ...(lastWrong === undefined
        ? {}
        : { lastWrong: { cid: lastWrong.root.toString(), by: lastWrong.by, ageMs: lastWrong.ageMs } }),
      silentAbout: silentAbout.map(String)
    }
  }

  async createPool(
    options: {
      name: string
      admission: 'open' | 'vouch'
      copiesMin: number
      groupBits: number
    } & AbortOptions
  ): Promise<answers.CreatePoolAnswer> {
    const { name, admission, copiesMin, groupBits } = options
    const founding = { ...this.#parts.terms(), name, k: groupBits, policy: { admission, copiesMin } }
    const { recoverySeed } = await this.#parts.membership.found(founding, abortOf(options))
    return { ...this.pool(), recoveryKey: printRecoveryKey(recoverySeed) }
  }

  async setPool({
    copiesMin,
    ...options
  }: { copiesMin: number } & AbortOptions): Promise<answers.PoolSetAnswer> {
    const inForce = await this.#pool.amend({ copiesMin }, abortOf(options))
    return { ...this.pool(), inForce }
  }

  async admit(operator: OperatorId, options?: AbortOptions): Promise<answers.PoolAnswer> {
    const own = this.#pool.operators().find(({ id }) => id === this.#parts.operatorId)
    if (own?.administrator === true) await this.#pool.admit(operator, options)
    else await this.#pool.vouch(operator, options)
    return this.pool()
  }

  async join(address: string, options: { keepBytes?: number } & AbortOptions): Promise<answers.JoinAnswer> {
    const { network, membership, terms, nodeId } = this.#parts
    if (!address.startsWith('/')) {
      throw new InvalidInputError(
        `“${address.slice(0, 200)}” is no address to join by. One looks like /ip4/203.0.113.7/tcp/4420/p2p/12D3Koo…; ` +
          'this prints it on the other side: commonhold peers'
      )
    }
    if (address.endsWith(`/p2p/${nodeId}`))
      throw new InvalidInputError('This is the address of this very node.')
    const peer = await network.dial(address, abortOf(options))
    const offered =
      options.keepBytes === undefined ? terms() : { ...terms(), capacityBytes: options.keepBytes }
    const wishesCarried = await membership.join(peer, offered, abortOf(options))
    // The promise to the pool outlives this process; the quota of this one stays as it started.
    if (options.keepBytes !== undefined) {
      await rememberSetting(this.#parts.folder.path, 'node', 'keep', String(options.keepBytes))
    }
    return { ...this.pool(), wishesCarried }
  }

  leave(options: { now: boolean } & AbortOptions): Promise<answers.LeaveStep> {
    return this.#pool.leave(options)
  }

  stay(): Promise<answers.LeaveStep> {
    return this.#pool.stay(this.#parts.terms())
  }

  async *leaving({ signal }: AbortOptions = {}): AsyncGenerator<answers.LeaveStep> {
    for (;;) {
      const step = await this.#pool.leaveProgress()
      yield step
      if (step.state !== 'leaving') return
      await this.#parts.clock.sleep(defaults.settleReportMs, signal === undefined ? {} : { signal })
    }
  }

  async put(
    bytes: AsyncIterable<Uint8Array>,
    options: WishOptions & { mustSettle: boolean; sizeMax?: number }
  ): Promise<answers.AddAnswer> {
    const put = await this.#parts.intake.put(bytes, options)
    const cid = put.root.toString()
    return {
      name: cid,
      cid,
      sha256: toHex(put.digest),
      size: put.size,
      url: new URL(`/media/${cid}`, this.#parts.httpUrl()).href,
      copies: put.copiesPromised,
      existed: put.existed
    }
  }

  async import(
    car: AsyncIterable<Uint8Array>,
    options: WishOptions & { sizeMax?: number }
  ): Promise<readonly answers.ImportRow[]> {
    const imported = await this.#parts.intake.import(car, options)
    return imported.map(({ root, kind, size, copiesPromised, existed }) => ({
      cid: root.toString(),
      kind,
      size,
      url: new URL(`/ipfs/${root}${kind === 'dag' ? '/' : ''}`, this.#parts.httpUrl()).href,
      copies: copiesPromised,
      existed
    }))
  }

  async *settle(name: ContentName, options: AbortOptions = {}): AsyncGenerator<answers.SettleStep> {
    const { root } = await this.#known(name)
    const over = new AbortController()
    const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal])
    let settled = false
    const waiting = this.#pool.waitUntilHealthy(root, { signal }).then(() => {
      settled = true
    })
    // Its failure is thrown below; without this it would count as unhandled until then.
    waiting.catch(() => {})
    try {
      for (;;) {
        await Promise.race([waiting, this.#parts.clock.sleep(defaults.settleReportMs, { signal })])
        const status = await this.#pool.status(root)
        if (status === undefined) throw new NotFoundError(`${root} is not wanted by the pool any more.`)
        const { health, copiesLive, copiesTarget, copiesMin } = status
        yield { cid: root.toString(), health, copiesLive, copiesTarget, copiesMin, done: settled }
        if (settled) return
      }
    } finally {
      over.abort(new Error('Nobody waits for it any more.'))
    }
  }

  async stat(name: ContentName, options?: AbortOptions): Promise<answers.StatAnswer> {
    const { root, digest } = await this.#allowed(name)
    const { size, local } = await this.#parts.library.stat(root, options)
    return { cid: root.toString(), size, local, ...(digest === undefined ? {} : { sha256: toHex(digest) }) }
  }

  async *read(
    name: ContentName,
    range: { from: number; to: number },
    options?: AbortOptions
  ): AsyncGenerator<Uint8Array> {
    const { root } = await this.#allowed(name)
    for await (const chunk of this.#parts.library.read(root, range, options)) yield chunk.bytes
  }

  async pin(name: ContentName, options: WishOptions): Promise<answers.PinRow> {
    const { intake, objects, fetcher, library } = this.#parts
    const { root, digest, visibility } = await this.#allowed(name)
    const abort = abortOf(options)
    // What the pool keeps already need not come here to be wished for again, with other numbers perhaps.
    const before = await this.#pool.wanted(root)
    let held: { readonly size: number } | undefined = (await objects.get(root)) ?? before
    if (held === undefined) {
      const sizeMax = await sizeOf(library, root, abort)
      const from = await this.#holders(root, abort)
      await fetcher.fetch(root, from, {
        ...abort,
        ...(sizeMax === undefined ? {} : { sizeMax }),
        repair: false
      })
      held = await objects.get(root)
    }
    const wish = {
      root,
      size: held?.size ?? 0,
      copiesMin: options.copiesMin ?? before?.copiesMin ?? intake.copiesMin(undefined),
      visibility: options.visibility ?? visibility,
      ...(digest === undefined ? {} : { digest })
    }
    await this.#pool.want(wish, abort)
    const wanted = await this.#pool.wanted(root)
    if (wanted === undefined) throw new NotFoundError(`${root} was unpinned at the same moment.`)
    return this.#pinRow(wanted)
  }

  async unpin(name: ContentName, options?: AbortOptions): Promise<boolean> {
    const resolved = await this.#parts.library.resolve(name)
    return resolved === undefined ? false : this.#pool.unwant(resolved.root, options)
  }

  async pins(after: string | undefined, limit: number): Promise<answers.PinsAnswer> {
    const page = await this.#pool.list(after === undefined ? undefined : parseCid(after), limit)
    const last = page.at(-1)
    return {
      pins: page.map((wanted) => this.#pinRow(wanted)),
      ...(page.length < limit || last === undefined ? {} : { next: last.root.toString() })
    }
  }

  async pinStatus(name: ContentName): Promise<answers.PinStatusAnswer> {
    const { root } = await this.#known(name)
    const status = await this.#pool.status(root)
    if (status === undefined) throw notPinned(root)
    return pinStatusAnswer(status, this.#parts.nodeId)
  }

  async why(name: ContentName): Promise<answers.WhyAnswer> {
    const { root } = await this.#known(name)
    const explanation = await this.#pool.why(root)
    if (explanation === undefined) throw notPinned(root)
    return explained(explanation, this.#parts.nodeId)
  }

  async prove(name: ContentName, options?: AbortOptions): Promise<answers.ProveAnswer> {
    const { root } = await this.#known(name)
    const wanted = await this.#pool.wanted(root)
    if (wanted === undefined) {
      throw new NotFoundError(`The pool is not asked to keep ${root}, so nobody can be challenged for it.`)
    }
    const outcomes = await this.#pool.prove(root, options)
    const proven = outcomes.filter(({ outcome }) => outcome === 'proven' || outcome === 'own')
    return {
      cid: root.toString(),
      answers: outcomes,
      proven: new Set(proven.map(({ operator }) => operator)).size,
      copiesMin: wanted.copiesMin
    }
  }

  addToken(
    name: string,
    scopes: readonly answers.TokenScope[],
    expiresAt: Date | undefined
  ): Promise<answers.TokenAddAnswer> {
    return this.#parts.tokens.add(name, scopes, expiresAt)
  }

  removeToken(name: string): Promise<boolean> {
    return this.#parts.tokens.remove(name)
  }

  tokens(): Promise<readonly answers.TokenRow[]> {
    return this.#parts.tokens.list()
  }

  async deny(name: ContentName, reason: string, now: boolean): Promise<answers.DenialRow> {
    return this.#denialRow(await this.#parts.denyList.deny(name, reason, now))
  }

  undoDenial(name: ContentName): Promise<boolean> {
    return this.#parts.denyList.undo(name)
  }

  async denials(): Promise<readonly answers.DenialRow[]> {
    const rows: answers.DenialRow[] = []
    for (const denial of await this.#parts.denyList.list()) rows.push(await this.#denialRow(denial))
    return rows
  }

  async #denialRow(denial: Denial): Promise<answers.DenialRow> {
    const { subject, reason, deniedAtMs, eraseAtOnce } = denial
    let bytes = 0
    let erasedInMs: number | undefined
    for (const { root, size } of await this.#parts.objects.allNamed(digestOf(parseContentName(subject)))) {
      const inMs = await this.#pool.erasedInMs(root)
      if (inMs === undefined) continue
      bytes += size
      erasedInMs = Math.max(erasedInMs ?? 0, inMs)
    }
    return {
      subject,
      reason,
      deniedAt: new Date(deniedAtMs).toISOString(),
      now: eraseAtOnce,
      ...(erasedInMs === undefined ? {} : { sealed: { bytes, erasedInMs } })
    }
  }

  /** Inside the pool placement names them; for what only the rest of the network has, the DHT is asked. */
  async #holders(root: CID, options: AbortOptions): Promise<readonly NodeId[]> {
    const members = await this.#pool.holdersOf(root)
    if (members.length > 0) return members
    const holders: NodeId[] = []
    for await (const holder of this.#parts.discovery.holders(root, options)) holders.push(holder)
    return holders
  }

  get #pool(): Pool {
    return this.#parts.membership.pool
  }

  async #known(name: ContentName) {
    const resolved = await this.#parts.library.resolve(name)
    if (resolved === undefined) {
      throw new NotFoundError(
        'Nobody here knows this name: it is neither wanted by the pool nor on this disk.'
      )
    }
    return resolved
  }

  /** For doors through which bytes go. */
  async #allowed(name: ContentName) {
    const resolved = await this.#known(name)
    const { root, digest } = resolved
    const subject = digest === undefined ? { root } : { root, digest }
    const { verdict, reasons } = await this.#parts.denyList.decide(subject)
    if (verdict === 'deny') throw new DeniedError(root.toString(), reasons)
    return resolved
  }

  #pinRow({ root, digest, size, copiesMin, visibility, authors }: WantedObject): answers.PinRow {
    return {
      cid: root.toString(),
      ...(digest === undefined ? {} : { sha256: toHex(digest) }),
      size,
      copiesMin,
      visibility,
      own: authors.includes(this.#parts.operatorId)
    }
  }
}

/** What the check of own blocks found, in words. Damage that is healed stays said: the disk is the same. */
function diskReasons({ damaged, tooSlow, ...scrub }: ScrubState): answers.Reason[] {
  const reasons: answers.Reason[] = []
  if (damaged > 0) {
    reasons.push({
      code: 'BLOCKS_DAMAGED',
      message: `${counted(damaged, 'block')} on this disk was found damaged and fetched anew: the disk may be failing.`,
      next: 'commonhold doctor'
    })
  }
  if (tooSlow) {
    const [needed, possible] = [scrub.bytesPerSecondNeeded, scrub.bytesPerSecondPossible].map(formatBytes)
    reasons.push({
      code: 'SCRUB_TOO_SLOW',
      message: `Checking all blocks within a month takes ${needed}/s, and this node reads ${possible}/s.`,
      next: 'commonhold start --set node.scrubRate=64MiB'
    })
  }
  return reasons
}

function memberRow(member: MemberStatus, zone: string | undefined): answers.MemberRow {
  const { node, operator, self, capacityBytes, usedBytes, reachable, lastSeenMs, full, counted, forked } =
    member
  return {
    node,
    operator,
    self,
    class: member.class,
    capacityBytes,
    reachable,
    full,
    counted,
    ...(zone === undefined ? {} : { zone }),
    ...(usedBytes === undefined ? {} : { usedBytes }),
    ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    ...(forked === undefined ? {} : { forked })
  }
}

function abortOf({ signal }: AbortOptions): AbortOptions {
  return signal === undefined ? {} : { signal }
}

function notPinned(root: CID): NotFoundError {
  return new NotFoundError(`The pool is not asked to keep ${root}. Ask it with: commonhold pin add ${root}`)
}

/** Absent for a folder or document, whose size is known when all of it is here: the room there is bounds it. */
async function sizeOf(library: NodeLibrary, root: CID, options: AbortOptions): Promise<number | undefined> {
  try {
    return (await library.stat(root, options)).size
  } catch (err) {
    if (err instanceof NotAFileError) return undefined
    throw err
  }
}

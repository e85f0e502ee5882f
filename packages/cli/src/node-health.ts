// What the bridge says about the node behind it: whether it can serve, what it is, and its figures.

import type { Clock, Log } from '@commonhold/core'
import type { ScrubState, SpaceReport } from '@commonhold/node'
import type { Pool } from '@commonhold/pinning'
import { defaults } from './options.ts'
import { version } from './version.ts'

export interface NodeHealthComponents {
  readonly membership: { readonly pool: Pool }
  readonly nodeId: string
  readonly objects: { space(): Promise<SpaceReport> }
  readonly scrub: { state(): Promise<ScrubState> }
  readonly retrieval: { readonly counters: Readonly<Record<'switched' | 'hedges' | 'hedgesWon', number>> }
  readonly peers: () => number
  readonly clock: Clock
  readonly log: Log
}

export class NodeHealth implements AsyncDisposable {
  readonly #components: NodeHealthComponents
  /** Set by whoever starts and stops the node. */
  #phase: 'starting' | 'running' | 'stopping' = 'starting'
  /** The front page must not cost a count over a million rows per visit: counted now and then instead. */
  #objects = 0
  readonly #stopped = new AbortController()
  #counting: Promise<void> = Promise.resolve()

  constructor(components: NodeHealthComponents) {
    this.#components = components
  }

  start(): void {
    this.#phase = 'running'
    this.#counting = this.#count()
  }

  async stop(): Promise<void> {
    this.#phase = 'stopping'
    this.#stopped.abort(new Error('The node is stopping.'))
    await this.#counting
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  notReadyReasons(): readonly string[] {
    return this.#phase === 'running' ? [] : [`The node is ${this.#phase}.`]
  }

  about(): {
    version: string
    nodeId: string
    pool?: { name: string; operators: number; objects: number }
  } {
    const about = { version, nodeId: this.#components.nodeId }
    if (this.#phase === 'starting') return about
    const { pool } = this.#components.membership
    return { ...about, pool: { name: pool.name, operators: pool.operators().length, objects: this.#objects } }
  }

  async #count(): Promise<void> {
    const { membership, clock, log } = this.#components
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        this.#objects = await membership.pool.count()
      } catch (err) {
        // The pool may just be exchanged for another.
        log.debug('objects could not be counted', { err })
      }
      await clock.sleep(defaults.countEveryMs, { signal }).catch(() => {
        // Stopped while asleep: the loop ends.
      })
    }
  }

  /** Prometheus text: what the pool looks like from here. */
  async metrics(): Promise<string> {
    const { membership, objects, scrub, peers, retrieval } = this.#components
    const [summary, space, scrubbed] = await Promise.all([
      membership.pool.summary(),
      objects.space(),
      scrub.state()
    ])
    const lines: string[] = []
    type Write = (
      name: string,
      help: string,
      values: readonly (readonly [labels: string, value: number])[]
    ) => void
    const writes =
      (type: 'gauge' | 'counter'): Write =>
      (name, help, values) => {
        lines.push(`# HELP commonhold_${name} ${help}`, `# TYPE commonhold_${name} ${type}`)
        for (const [labels, value] of values) lines.push(`commonhold_${name}${labels} ${value}`)
      }
    const gauge = writes('gauge')
    const counter = writes('counter')
    gauge('peers', 'Connected peers.', [['', peers()]])
    gauge('pool_members_reachable', 'Members this node can talk to, itself included.', [
      ['', summary.members.filter((member) => member.self || member.reachable).length]
    ])
    gauge('pool_members', 'Members of the pool.', [['', summary.members.length]])
    gauge(
      'objects',
      'Wanted objects by health.',
      Object.entries(summary.objects.byHealth).map(labelled('health'))
    )
    gauge(
      'objects_by_copies',
      'Wanted objects by live copies.',
      Object.entries(summary.copies).map(labelled('copies'))
    )
    gauge('repairs', 'Repairs under way and waiting.', [
      ['{state="running"}', summary.repairs.running],
      ['{state="queued"}', summary.repairs.queued]
    ])
    gauge('repair_oldest_seconds', 'Since the longest waiting repair was first wanted.', [
      ['', summary.repairs.oldestMs / 1000]
    ])
    counter('repairs_total', 'Repairs since the start, by outcome.', [
      ['{outcome="done"}', summary.repairs.done],
      ['{outcome="failed"}', summary.repairs.failed]
    ])
    counter('repair_bytes_total', 'File bytes brought in by repairs since the start.', [
      ['', summary.repairs.bytes]
    ])
    gauge('groups', 'Groups of the hash space by the worst health among their objects.', [
      ...Object.entries(summary.groups).map(labelled('health'))
    ])
    counter('proofs_total', 'Answers to challenges of this node since the start, by outcome.', [
      ['{outcome="right"}', summary.proofs.made],
      ['{outcome="late"}', summary.proofs.late],
      ['{outcome="wrong"}', summary.proofs.wrong],
      ['{outcome="silent"}', summary.proofs.silent]
    ])
    counter('proofs_answered_total', 'Challenges of others answered with a proof since the start.', [
      ['', summary.proofs.answered]
    ])
    gauge('proofs_overdue', 'Copies claimed and not proven in time.', [['', summary.proofs.overdue]])
    counter('releases_total', 'Copies let go, and those others refused to hold instead.', [
      ['{outcome="done"}', summary.releases.done],
      ['{outcome="refused"}', summary.releases.refused]
    ])
    const { switched, hedges, hedgesWon } = retrieval.counters
    counter('sources_switched_total', 'Reads that went on with another source.', [['', switched]])
    counter('hedges_total', 'Second sources asked beside a slow one.', [['', hedges]])
    counter('hedges_won_total', 'Second sources that were quicker.', [['', hedgesWon]])
    counter('scrub_bytes_total', 'Bytes of own blocks read and checked since the start.', [
      ['', scrubbed.bytes]
    ])
    counter('scrub_blocks_total', 'Own blocks checked since the start, and those the disk did not read.', [
      ['{outcome="checked"}', scrubbed.blocks],
      ['{outcome="unreadable"}', scrubbed.unreadable]
    ])
    counter('blocks_damaged_total', 'Own blocks found damaged or missing in the life of this data folder.', [
      ['', scrubbed.damaged]
    ])
    gauge('scrub_behind_seconds', 'How far the check of own blocks is behind its schedule.', [
      ['', scrubbed.behindMs / 1000]
    ])
    gauge('scrub_too_slow', 'Whether own blocks cannot all be checked in time.', [
      ['', scrubbed.tooSlow ? 1 : 0]
    ])
    gauge('store_bytes', 'Space of the block store.', [
      ['{kind="used"}', space.usedBytes],
      ['{kind="free"}', space.freeBytes],
      ['{kind="capacity"}', space.capacityBytes],
      ['{kind="reserved"}', space.reservedBytes],
      ['{kind="uploads_free"}', space.uploads.freeBytes],
      ['{kind="uploads_capacity"}', space.uploads.capacityBytes]
    ])
    return `${lines.join('\n')}\n`
  }
}

function labelled(label: string) {
  return ([key, value]: [string, number]): readonly [string, number] => [`{${label}="${key}"}`, value]
}

// A node in memory behind the control socket: objects are bytes in a map, everything is wanted, and
// there is one operator. Real enough that a command cannot tell.

import { createHash } from 'node:crypto'
import {
  ConflictError,
  type ContentName,
  InvalidInputError,
  NotFoundError,
  PoolTooSmallError,
  rawCidOf,
  toHex
} from '@commonhold/core'
import type { ControlledNode, WishOptions } from '../src/control/ports.ts'
import type * as answers from '../src/control/protocol.ts'

interface Stored {
  readonly bytes: Uint8Array
  readonly copiesMin: number
  readonly visibility: 'public' | 'members'
}

export class MemoryNode implements ControlledNode {
  readonly objects = new Map<string, Stored>()
  readonly #tokens = new Map<string, answers.TokenRow>()
  readonly #denials = new Map<string, answers.DenialRow>()
  /** Uploads that were cut off before they were whole. */
  abandoned = 0

  about(): answers.AboutAnswer {
    return {
      version: '0.0.0',
      pid: 1,
      nodeId: '12D3KooWMemory',
      operatorId: 'z6MkMemory',
      dataFolder: '/nowhere',
      storeEpoch: '00',
      addresses: ['/ip4/192.0.2.1/tcp/4420/p2p/12D3KooWMemory'],
      httpUrl: 'http://127.0.0.1:8420/',
      uptimeMs: 1
    }
  }

  async status(): Promise<answers.StatusAnswer> {
    return {
      health: 'warning',
      reasons: [{ code: 'POOL_TOO_SMALL', message: '1 operator, 3 needed.', next: 'commonhold peers' }],
      node: { id: '12D3KooWMemory', version: '0.0.0', httpUrl: 'http://127.0.0.1:8420/' },
      pool: this.pool(),
      members: this.members(),
      objects: {
        total: this.objects.size,
        bytes: 0,
        byHealth: { healthy: 0, degraded: 0, 'at risk': this.objects.size, unreachable: 0, lost: 0 },
        copies: [{ copies: 1, objects: this.objects.size }]
      },
      repairs: { running: 0, queued: 0, oldestMs: 0, done: 0, failed: 0, bytes: 0 },
      groups: { healthy: 4095, degraded: 0, 'at risk': 1, unreachable: 0, lost: 0 },
      proofs: { made: 0, wrong: 0, overdue: 0 },
      scrub: {
        progress: 0.5,
        behindMs: 0,
        blocks: 0,
        bytes: 0,
        damaged: 0,
        unreadable: 0,
        bytesPerSecondNeeded: 0,
        bytesPerSecondPossible: 1e6,
        tooSlow: false
      },
      space: {
        usedBytes: 0,
        freeBytes: 1e9,
        capacityBytes: 1e9,
        reservedBytes: 0,
        uploads: { freeBytes: 1e9, capacityBytes: 1e9 },
        sealed: { objects: 0, bytes: 0 }
      },
      peers: 0
    }
  }

  async doctor(): Promise<readonly answers.DoctorFinding[]> {
    return [{ check: 'pool', ok: true, detail: 'fine' }]
  }

  peers(): readonly answers.PeerRow[] {
    return []
  }

  pool(): answers.PoolAnswer {
    return { id: 'ab', name: 'memory', admission: 'open', operators: 1, copiesMin: 3, groups: 4096 }
  }

  members(): readonly answers.MemberRow[] {
    return [
      {
        node: '12D3KooWMemory',
        operator: 'z6MkMemory',
        self: true,
        class: 'server',
        capacityBytes: 1e9,
        reachable: true,
        full: false,
        counted: true
      }
    ]
  }

  async keeperRecord(node: string): Promise<answers.KeeperRecordAnswer> {
    return {
      node,
      right: 3,
      wrong: 1,
      silent: 0,
      declined: 0,
      busy: 0,
      absent: 0,
      late: 0,
      storeChanges: 0,
      suspectGroups: 1,
      suspectProofsLeft: 2,
      overdue: 0,
      silentAbout: []
    }
  }

  async createPool(options: { name: string }): Promise<answers.CreatePoolAnswer> {
    return { ...this.pool(), name: options.name, recoveryKey: 'commonhold-recovery-x' }
  }

  async admit(): Promise<answers.PoolAnswer> {
    return this.pool()
  }

  async join(address: string): Promise<answers.JoinAnswer> {
    if (!address.startsWith('/')) throw new InvalidInputError(`“${address}” is not a multiaddr.`)
    return { ...this.pool(), wishesCarried: this.objects.size }
  }

  async setPool({ copiesMin }: { copiesMin: number }): Promise<answers.PoolSetAnswer> {
    return { ...this.pool(), copiesMin, inForce: true }
  }

  async leave({ now }: { now: boolean }): Promise<answers.LeaveStep> {
    const objects = this.objects.size
    return { state: now ? 'left' : 'leaving', objects, bytes: 0, keepers: 0, blocked: objects }
  }

  async stay(): Promise<answers.LeaveStep> {
    return { state: 'staying', objects: this.objects.size, bytes: 0, keepers: 0, blocked: 0 }
  }

  async *leaving(): AsyncGenerator<answers.LeaveStep> {
    yield { state: 'leaving', objects: 1, bytes: 0, keepers: 1, blocked: 0 }
    yield { state: 'left', objects: 0, bytes: 0, keepers: 1, blocked: 0 }
  }

  async import(): Promise<readonly answers.ImportRow[]> {
    throw new Error('nothing here imports')
  }

  async put(
    bytes: AsyncIterable<Uint8Array>,
    options: WishOptions & { mustSettle: boolean }
  ): Promise<answers.AddAnswer> {
    if (options.mustSettle) throw new PoolTooSmallError(1, options.copiesMin ?? 3)
    const parts: Uint8Array[] = []
    try {
      for await (const part of bytes) parts.push(part)
    } catch (err) {
      this.abandoned++
      throw err
    }
    const whole = Buffer.concat(parts)
    const digest = new Uint8Array(createHash('sha256').update(whole).digest())
    const cid = rawCidOf(digest).toString()
    const existed = this.objects.has(cid)
    this.objects.set(cid, {
      bytes: whole,
      copiesMin: options.copiesMin ?? 3,
      visibility: options.visibility ?? 'public'
    })
    return {
      name: cid,
      cid,
      sha256: toHex(digest),
      size: whole.length,
      url: `http://x/media/${cid}`,
      copies: 1,
      existed
    }
  }

  async *settle(name: ContentName): AsyncGenerator<answers.SettleStep> {
    const { cid } = this.#find(name)
    const step = { cid, health: 'at risk' as const, copiesLive: 1, copiesTarget: 3, copiesMin: 3 }
    yield { ...step, done: false }
    yield { ...step, health: 'healthy', copiesLive: 3, done: true }
  }

  async stat(name: ContentName): Promise<answers.StatAnswer> {
    const { cid, stored } = this.#find(name)
    return { cid, size: stored.bytes.length, local: true }
  }

  async *read(name: ContentName, range: { from: number; to: number }): AsyncGenerator<Uint8Array> {
    const { bytes } = this.#find(name).stored
    for (let at = range.from; at < range.to; at += 65_536)
      yield bytes.subarray(at, Math.min(range.to, at + 65_536))
  }

  async pin(name: ContentName, options: WishOptions): Promise<answers.PinRow> {
    const { cid, stored } = this.#find(name)
    return { ...this.#row(cid, stored), copiesMin: options.copiesMin ?? stored.copiesMin }
  }

  async unpin(name: ContentName): Promise<boolean> {
    return this.objects.delete(textOf(name))
  }

  async pins(after: string | undefined, limit: number): Promise<answers.PinsAnswer> {
    const all = [...this.objects]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([cid]) => after === undefined || cid > after)
    const page = all.slice(0, limit)
    const last = page.at(-1)?.[0]
    return {
      pins: page.map(([cid, stored]) => this.#row(cid, stored)),
      ...(all.length > limit && last !== undefined ? { next: last } : {})
    }
  }

  async pinStatus(name: ContentName): Promise<answers.PinStatusAnswer> {
    const { cid, stored } = this.#find(name)
    return {
      cid,
      size: stored.bytes.length,
      health: 'at risk',
      copiesMin: stored.copiesMin,
      copiesTarget: 3,
      copiesLive: 1,
      copiesClaimed: 1,
      reasons: ['POOL_TOO_SMALL'],
      holders: [{ node: '12D3KooWMemory', operator: 'z6MkMemory', state: 'live', self: true }]
    }
  }

  async needy(after: string | undefined, limit: number): Promise<answers.NeedyAnswer> {
    const { pins, next } = await this.pins(after?.slice(after.indexOf('.') + 1), limit)
    return {
      objects: pins.map(({ cid }) => ({
        cid,
        health: 'at risk',
        copiesLive: 1,
        reasons: ['POOL_TOO_SMALL', 'BELOW_MIN']
      })),
      ...(next === undefined ? {} : { next: `1.${next}` })
    }
  }

  async why(name: ContentName): Promise<answers.WhyAnswer> {
    const status = await this.pinStatus(name)
    return {
      status,
      authors: ['z6MkMemory'],
      group: 7,
      reasons: [{ code: 'POOL_TOO_SMALL', message: 'Too few.', next: 'commonhold peers' }],
      ranking: [
        {
          node: '12D3KooWMemory',
          operator: 'z6MkMemory',
          self: true,
          class: 'server',
          placed: true,
          awayMs: 0,
          full: false,
          declines: false,
          copy: 'live'
        }
      ],
      actions: ['challenges the copy at 12D3…mory']
    }
  }

  async prove(name: ContentName): Promise<answers.ProveAnswer> {
    const { cid } = this.#find(name)
    return { cid, answers: [], proven: 1, copiesMin: 3 }
  }

  async addToken(name: string, scopes: readonly answers.TokenScope[]): Promise<answers.TokenAddAnswer> {
    if (this.#tokens.has(name)) throw new ConflictError(`There is a token “${name}” already.`)
    const row = { name, scopes, createdAt: '2026-01-01T00:00:00.000Z' }
    this.#tokens.set(name, row)
    return { ...row, token: 'chtok_x' }
  }

  async removeToken(name: string): Promise<boolean> {
    return this.#tokens.delete(name)
  }

  async tokens(): Promise<readonly answers.TokenRow[]> {
    return [...this.#tokens.values()]
  }

  async deny(name: ContentName, reason: string, now: boolean): Promise<answers.DenialRow> {
    const row = { subject: textOf(name), reason, deniedAt: '2026-01-01T00:00:00.000Z', now }
    this.#denials.set(row.subject, row)
    return row
  }

  async undoDenial(name: ContentName): Promise<boolean> {
    return this.#denials.delete(textOf(name))
  }

  async denials(): Promise<readonly answers.DenialRow[]> {
    return [...this.#denials.values()]
  }

  #find(name: ContentName): { cid: string; stored: Stored } {
    const cid = textOf(name)
    const stored = this.objects.get(cid)
    if (stored === undefined) throw new NotFoundError(`Nobody has ${cid}.`)
    return { cid, stored }
  }

  #row(cid: string, stored: Stored): answers.PinRow {
    return {
      cid,
      size: stored.bytes.length,
      copiesMin: stored.copiesMin,
      visibility: stored.visibility,
      own: true
    }
  }
}

function textOf(name: ContentName): string {
  return (name.kind === 'cid' ? name.cid : rawCidOf(name.digest)).toString()
}

// Who is slowed down and who is not. On a virtual clock. Seen to fail with the whole IPv6 address as the key, with
// this machine taken for a client, with X-Forwarded-For believed of anybody, and with a bucket that never refills.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { VirtualClock } from '@commonhold/core'
import { Bridge } from './client.ts'

const limits = { clientRequestsPerMinute: 60, clientBurst: 3, objectRequestsPerMinute: 0 }

describe('rate limits', () => {
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

  it('slow one client down and nobody else, and say when to come back', async () => {
    const clock = new VirtualClock()
    await using bridge = await Bridge.start(limits, { clock })
    const { root } = bridge.pool.add(Buffer.from('a picture'))
    const statusOf = async (address: string) => (await bridge.ask(`/media/${root}`, from(address))).status
    for (let i = 0; i < 3; i++) assert.equal(await statusOf('192.0.2.1'), 200)
    const refused = await bridge.ask(`/media/${root}`, from('192.0.2.1'))
    assert.equal(refused.status, 429)
    assert.equal(refused.headers['retry-after'], '1')
    assert.equal(refused.headers['ratelimit'], '"client";r=0;t=1')
    assert.equal(refused.headers['ratelimit-policy'], '"client";q=60;w=60')
    assert.equal(await statusOf('192.0.2.2'), 200)
    await clock.advance(1000)
    assert.equal(await statusOf('192.0.2.1'), 200)
    assert.equal(await statusOf('192.0.2.1'), 429)
    await clock.advance(60_000)
    for (let i = 0; i < 3; i++) assert.equal(await statusOf('192.0.2.1'), 200, 'never more than the burst')
    assert.equal(await statusOf('192.0.2.1'), 429)
  })

  it('take a line for a client, however many addresses it has', async () => {
    await using bridge = await Bridge.start(limits, { clock: new VirtualClock() })
    const { root } = bridge.pool.add(Buffer.from('a picture'))
    const statusOf = async (address: string) => (await bridge.ask(`/media/${root}`, from(address))).status
    for (const address of ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8:0:0:1:2:3:4']) {
      assert.equal(await statusOf(address), 200, address)
    }
    assert.equal(await statusOf('2001:db8::5'), 429)
    assert.equal(await statusOf('2001:db8:0:1::5'), 200)
    for (let i = 0; i < 3; i++) assert.equal(await statusOf('::ffff:192.0.2.9'), 200)
    assert.equal(await statusOf('192.0.2.9'), 429)
  })

  it('believe only a proxy that was named, and never take this machine for a client', async () => {
    const clock = new VirtualClock()
    await using bridge = await Bridge.start(limits, { clock })
    const { root } = bridge.pool.add(Buffer.from('a picture'))
    for (let i = 0; i < 10; i++) assert.equal((await bridge.ask(`/media/${root}`)).status, 200)
    for (let i = 0; i < 3; i++) {
      // The last proxy wrote the last address; what a client wrote before it is its own tale.
      await bridge.ask(`/media/${root}`, from(`198.51.100.${i}, 192.0.2.1`))
    }
    assert.equal((await bridge.ask(`/media/${root}`, from('198.51.100.77, 192.0.2.1'))).status, 429)
    for (const path of ['/livez', '/readyz']) {
      assert.equal((await bridge.ask(path, from('192.0.2.1'))).status, 200, path)
    }
    await using alone = await Bridge.start({ ...limits, trustProxy: [] }, { clock })
    alone.pool.add(Buffer.from('a picture'))
    for (let i = 0; i < 10; i++) {
      assert.equal((await alone.ask(`/media/${root}`, from('192.0.2.1'))).status, 200, 'not believed')
    }
  })

  it('share one object among all who ask, and let those who have it confirm it', async () => {
    const clock = new VirtualClock()
    await using bridge = await Bridge.start(
      { clientRequestsPerMinute: 0, objectRequestsPerMinute: 5 },
      { clock }
    )
    const { root } = bridge.pool.add(Buffer.from('a picture'))
    const other = bridge.pool.add(Buffer.from('another'))
    for (let i = 0; i < 5; i++) {
      assert.equal((await bridge.ask(`/media/${root}`, from(`192.0.2.${i}`))).status, 200)
    }
    const refused = await bridge.ask(`/ipfs/${root}`, from('192.0.2.99'))
    assert.deepEqual([refused.status, refused.headers['ratelimit']], [429, '"object";r=0;t=12'])
    assert.equal((await bridge.ask(`/media/${other.root}`)).status, 200)
    const confirmed = await bridge.ask(`/media/${root}`, { headers: { 'if-none-match': `"${root}"` } })
    assert.equal(confirmed.status, 304)
  })

  it('remember a bounded number of clients', async () => {
    const clock = new VirtualClock()
    await using bridge = await Bridge.start({ ...limits, clientBurst: 1, rateKeysMax: 4 }, { clock })
    const { root } = bridge.pool.add(Buffer.from('a picture'))
    const statusOf = async (n: number) => (await bridge.ask(`/media/${root}`, from(`192.0.2.${n}`))).status
    for (let n = 1; n <= 4; n++) assert.equal(await statusOf(n), 200)
    assert.equal(await statusOf(4), 429)
    assert.equal(await statusOf(5), 200)
    assert.equal(await statusOf(1), 200, 'the one that asked longest ago was forgotten')
    assert.equal(await statusOf(4), 429)
  })
})

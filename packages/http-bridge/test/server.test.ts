// Operations: health, metrics, the front page, the table of errors, and an orderly end.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import * as core from '@commonhold/core'
import { type LogFields, OperatingError } from '@commonhold/core'
import { httpStatusOf } from '@commonhold/http-bridge'
import { problemOf } from '../src/problems.ts'
import { Bridge } from './client.ts'
import { Gate } from './in-memory-pool.ts'

describe('operations', () => {
  it('tells live, ready and why not apart', async () => {
    await using bridge = await Bridge.start()
    assert.equal((await bridge.ask('/readyz')).status, 200)
    bridge.pool.notReady = ['the store is not mounted']
    assert.equal((await bridge.ask('/livez')).status, 200)
    const not = await bridge.ask('/readyz?verbose')
    assert.equal(not.status, 503)
    assert.match(not.body.toString(), /not mounted/)
    assert.doesNotMatch((await bridge.ask('/readyz')).body.toString(), /not mounted/)
  })

  it('shows metrics to a token, to everybody or to nobody, as set', async () => {
    const withToken = { headers: { authorization: 'Bearer all' } }
    for (const [metrics, plain, token] of [
      ['token', 401, 200],
      ['public', 200, 200],
      ['off', 404, 404]
    ] as const) {
      await using bridge = await Bridge.start({ metrics })
      assert.equal((await bridge.ask('/metrics')).status, plain)
      const answer = await bridge.ask('/metrics', withToken)
      assert.equal(answer.status, token)
      if (token !== 200) continue
      const text = answer.body.toString()
      assert.match(text, /commonhold_http_request_duration_seconds_count\{method="GET",route="metrics"/)
      assert.match(text, /commonhold_bridge_cache_bytes 0/)
      assert.match(text, /commonhold_test_up 1/)
    }
  })

  it('says on its front page what it is, in escaped words and without scripts', async () => {
    await using bridge = await Bridge.start()
    const page = await bridge.ask('/')
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
    const html = page.body.toString()
    assert.match(html, /&lt;b&gt;Test &amp; pool/)
    assert.doesNotMatch(html, /<script|<b>Test/)
  })

  it('gives every operating error of core a status, and no inner words to strangers', () => {
    const classes = Object.values(core).filter(
      (value) => typeof value === 'function' && value.prototype instanceof OperatingError
    )
    assert.ok(classes.length >= 13)
    for (const make of classes as (new (
      ...args: never[]
    ) => OperatingError)[]) {
      const args = [['x'], [1, 2]].find((given) => canMake(make, given)) ?? ['x', ['y']]
      const { name } = new make(...(args as never[]))
      const status = httpStatusOf(name)
      assert.ok(status >= 400 && status < 600, name)
      assert.notEqual(status, 500, name)
    }
    assert.equal(problemOf(new Error('secret')).problem.status, 500)
    assert.doesNotMatch(JSON.stringify(problemOf(new Error('secret'))), /secret/)
  })

  it('logs requests with an id and without addresses', async () => {
    const lines: LogFields[] = []
    const log = {
      ...core.silentLog,
      info: (_message: string, fields?: LogFields) => void lines.push(fields ?? {})
    }
    await using bridge = await Bridge.start({}, { log })
    const answer = await bridge.ask('/media/nonsense')
    assert.equal(lines[0]?.['status'], 400)
    assert.equal(lines[0]?.['id'], answer.headers['x-request-id'])
    assert.doesNotMatch(JSON.stringify(lines), /127\.0\.0\.1/)
  })
})

describe('stopping', () => {
  it('lets responses finish, takes no new connections, and closes idle ones', async () => {
    await using bridge = await Bridge.start()
    const object = bridge.pool.add(randomBytes(3_000_000), { local: false })
    const gate = new Gate()
    bridge.pool.weather = (_key, offset) => (offset > 0 ? gate.pass() : undefined)
    const idle = connect(bridge.port, '127.0.0.1')
    await once(idle, 'connect')
    const { port } = bridge
    const running = bridge.ask(`/ipfs/${object.root}`)
    await gate.arrival
    const stopped = bridge.server.stop()
    await assert.rejects(
      new Promise((resolve, reject) =>
        get({ host: '127.0.0.1', port, path: '/livez', agent: false }, resolve).on('error', reject)
      )
    )
    gate.open()
    assert.ok((await running).body.equals(object.bytes))
    await stopped
    idle.destroy()
  })

  it('cuts what does not finish in time', async () => {
    await using bridge = await Bridge.start({ drainMsMax: 50 })
    const object = bridge.pool.add(randomBytes(3_000_000), { local: false })
    const gate = new Gate()
    bridge.pool.weather = (_key, offset, options) => (offset > 0 ? gate.pass(options) : undefined)
    const running = bridge.ask(`/ipfs/${object.root}`)
    await gate.arrival
    await bridge.server.stop()
    assert.equal((await running).cut, true)
  })
})

describe('slow clients', () => {
  it('are cut when they send no headers, no body, or take no bytes', async () => {
    await using bridge = await Bridge.start({ headersMsMax: 200, stallMsMax: 300, lingerMsMax: 100 })
    const object = bridge.pool.add(randomBytes(32 * 1024 * 1024))
    assert.match(await whatComes(bridge, 'GET / HTTP/1.1\r\nHost: a\r\n'), /^HTTP\/1\.1 408|^$/)
    const upload =
      'POST /media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nContent-Length: 100\r\n\r\nabc'
    assert.equal(await whatComes(bridge, upload), '')
    assert.equal(bridge.pool.objects.size, 1)
    const res = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: '127.0.0.1', port: bridge.port, path: `/ipfs/${object.root}`, agent: false }, resolve).on(
        'error',
        reject
      )
    })
    const [err] = await Promise.all([
      once(res, 'error').then(([e]) => e as Error),
      resumeWhenCut(bridge, res)
    ])
    assert.ok(err instanceof Error)
  })
})

function canMake(make: new (...args: never[]) => OperatingError, args: unknown[]): boolean {
  try {
    new make(...(args as never[]))
    return true
  } catch {
    return false
  }
}

/** Everything the server says to this unfinished request until it closes. */
function whatComes(bridge: Bridge, start: string): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const socket = connect(bridge.port, '127.0.0.1', () => socket.write(start))
    socket.on('data', (part) => parts.push(part))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')))
  })
}

/** Takes nothing until the server has given up on this client, then reads what is left, to see the cut. */
async function resumeWhenCut(bridge: Bridge, res: IncomingMessage): Promise<void> {
  await bridge.pool.cancellation.promise
  res.resume()
}

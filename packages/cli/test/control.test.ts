// The control socket: every request × every kind of bad input (a clear error, bounded memory,
// nothing lost), the socket's own safety, and bytes in both directions.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '@commonhold/core'
import { ControlClient } from '../src/control/client.ts'
import type * as answers from '../src/control/protocol.ts'
import { routes } from '../src/control/routes.ts'
import { ControlServer } from '../src/control/server.ts'
import { controlSocketPath, socketPathBytesMax } from '../src/control/socket-path.ts'
import { defaults } from '../src/options.ts'
import { MemoryNode } from './memory-node.ts'

let folder: string
let path: string
let node: MemoryNode
let server: ControlServer
let client: ControlClient
let object: answers.AddAnswer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-control-'))
  path = join(folder, 'control.sock')
  node = new MemoryNode()
  server = new ControlServer({ node, log: silentLog }, path)
  await server.start()
  client = new ControlClient(path, folder)
  object = await client.upload<answers.AddAnswer>('/objects', chunks(Buffer.from('an object')))
})

after(async () => {
  client[Symbol.dispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

interface RawAnswer {
  readonly status: number
  readonly text: string
}

/** A request as no client of ours would send it. */
function raw(
  method: string,
  target: string,
  body: Uint8Array | string = '',
  headers: Record<string, string> = {}
) {
  return new Promise<RawAnswer>((resolve, reject) => {
    // Node frames no body of a GET by itself.
    const framed = { 'content-length': String(Buffer.byteLength(body)), ...headers }
    const request = httpRequest(
      { socketPath: path, method, path: target, headers: framed, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      }
    )
    request.on('error', reject)
    request.end(body)
  })
}

async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

function refused({ status, text }: RawAnswer, name = 'InvalidInputError'): void {
  assert.equal(status, 400, text)
  const { error } = JSON.parse(text) as answers.ErrorAnswer
  assert.equal(error.name, name, text)
  assert.match(error.message, /^.{10,600}[.?!]$/s, 'a full sentence')
}

/** A path of each route with a name that exists, and what a good body is. */
const goodBodies: Readonly<Record<string, unknown>> = {
  'POST /v1/pool': { name: 'garden' },
  'POST /v1/pool/operators': { operator: 'z6MkSomebody' },
  'POST /v1/join': { address: '/ip4/127.0.0.1/tcp/1/p2p/x' },
  'POST /v1/pins/:name': { copies: 3 },
  'POST /v1/tokens': { name: 'table', scopes: ['upload'] },
  'POST /v1/denials': {
    name: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy',
    reason: 'a test'
  }
}

const oversizedBody = JSON.stringify({ name: 'x'.repeat(defaults.controlBodyBytesMax) })

for (const route of routes) {
  const label = `${route.method} ${route.pattern.pathname}`
  const takesName = route.pattern.pathname.includes(':name')
  const at = (name: string): string => route.pattern.pathname.replace(':name', name)
  const takesBody = Object.hasOwn(goodBodies, label)

  test(`${label}: bad input is refused with a sentence`, async (t) => {
    const target = at(takesName && !label.includes('token') ? object.cid : 'absent')
    const before = node.objects.size
    if (takesBody) {
      await t.test('empty', async () => {
        const answer = await raw(route.method, target)
        // A wish without options is a whole wish; everything else needs its fields.
        if (label === 'POST /v1/pins/:name') assert.equal(answer.status, 200)
        else refused(answer)
      })
      await t.test('truncated', async () => {
        const text = JSON.stringify(goodBodies[label])
        refused(await raw(route.method, target, text.slice(0, -2)))
      })
      await t.test('wrong type', async () => {
        refused(await raw(route.method, target, '[1, 2]'))
        refused(await raw(route.method, target, '"text"'))
        const twisted = Object.fromEntries(
          Object.keys(goodBodies[label] as object).map((key) => [key, { no: 1 }])
        )
        refused(await raw(route.method, target, JSON.stringify(twisted)))
      })
    }
    if (route.body !== 'upload') {
      await t.test('garbage', async () => refused(await raw(route.method, target, randomBytes(300))))
      await t.test('oversized', async () =>
        refused(await raw(route.method, target, oversizedBody), 'TooLargeError')
      )
      await t.test('unknown field', async () => refused(await raw(route.method, target, '{"surprise": 1}')))
    }
    await t.test('unknown query', async () => refused(await raw(route.method, `${target}?surprise=1`)))
    await t.test('wrong version', async () =>
      refused(await raw(route.method, target.replace('/v1/', '/v9/')))
    )
    if (takesName && !label.includes('token')) {
      await t.test('name: garbage', async () => {
        for (const name of [
          '%20',
          'notacid',
          '%ff',
          encodeURIComponent('../../etc/passwd'),
          'a'.repeat(200)
        ]) {
          refused(await raw(route.method, at(name)))
        }
      })
    }
    assert.equal(node.objects.size, before, 'nothing was lost and nothing came')
  })
}

test('POST /v1/objects: wrong options are refused before a byte is taken', async () => {
  for (const query of ['copies=0', 'copies=33', 'copies=x', 'visibility=nobody', 'settle=perhaps']) {
    refused(await raw('POST', `/v1/objects?${query}`, 'bytes'))
  }
  refused(await raw('POST', '/v1/objects?settle=true', 'bytes'), 'PoolTooSmallError')
})

test('POST /v1/objects: an upload cut off leaves nothing', async () => {
  const cut = (async function* () {
    yield randomBytes(100_000)
    throw new Error('the disk of the sender broke')
  })()
  await assert.rejects(client.upload('/objects', cut), /disk of the sender broke/)
  // The node notices when the connection closes; the next request on it comes after that.
  while (node.abandoned === 0) await client.get('/about')
  assert.equal(node.objects.size, 1)
})

test('what is no request of ours at all', async () => {
  refused(await raw('GET', '/v1/nothing'))
  refused(await raw('PUT', '/v1/status'))
  refused(await raw('GET', '/'))
  refused(await raw('GET', `/v1/${'x'.repeat(defaults.controlUrlCharsMax)}`))
  const { status } = await raw('GET', '/v1/status', '', {
    'x-long': 'y'.repeat(defaults.controlHeaderBytesMax)
  })
  assert.equal(status, 431)
})

test('random bytes instead of HTTP end the connection and nothing else', async () => {
  const { connect } = await import('node:net')
  for (let i = 0; i < 50; i++) {
    await new Promise<void>((resolve) => {
      const socket = connect(path)
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.on('data', () => {})
      socket.end(randomBytes(1 + i * 37))
    })
  }
  assert.equal((await client.get<answers.AboutAnswer>('/about')).version, '0.0.0')
})

test('bytes come back as they went in, whole and in ranges', async () => {
  const bytes = randomBytes(3_000_000)
  const parts = [bytes.subarray(0, 10), bytes.subarray(10, 1_500_000), bytes.subarray(1_500_000)]
  const { cid } = await client.upload<answers.AddAnswer>('/objects', chunks(...parts))
  const read = async (query: Record<string, number>): Promise<Buffer> => {
    const response = await client.download(`/objects/${cid}/bytes`, { query })
    const got: Buffer[] = []
    for await (const part of response) got.push(part as Buffer)
    return Buffer.concat(got)
  }
  assert.deepEqual(await read({}), bytes)
  assert.deepEqual(await read({ from: 10, to: 20 }), bytes.subarray(10, 20))
  assert.deepEqual(await read({ from: 2_999_990, to: 9_999_999 }), bytes.subarray(2_999_990))
  assert.equal((await read({ from: 9_999_999 })).length, 0)
  await assert.rejects(client.download('/objects/notacid/bytes'), { name: 'InvalidInputError' })
})

test('work that reports comes line by line', async () => {
  const steps: answers.SettleStep[] = []
  for await (const step of client.lines<answers.SettleStep>(`/objects/${object.cid}/settled`))
    steps.push(step)
  assert.deepEqual(
    steps.map(({ done }) => done),
    [false, true]
  )
})

test('only the owner may open the socket', async () => {
  const { mode } = await stat(path)
  assert.equal(mode & 0o777, 0o600)
})

test('a socket left by a killed node is taken over; a live one and a plain file are not', async () => {
  const stale = join(folder, 'stale.sock')
  // A listener that closes without unlinking, as a killed process leaves it.
  const { spawnSync } = await import('node:child_process')
  spawnSync(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`
  ])
  assert.ok((await stat(stale)).isSocket())
  await using second = new ControlServer({ node, log: silentLog }, stale)
  await second.start()
  using other = new ControlClient(stale, folder)
  assert.equal((await other.get<answers.AboutAnswer>('/about')).version, '0.0.0')

  await assert.rejects(new ControlServer({ node, log: silentLog }, stale).start(), { name: 'ConflictError' })
  const plain = join(folder, 'plain')
  await writeFile(plain, 'not a socket')
  await assert.rejects(new ControlServer({ node, log: silentLog }, plain).start(), { name: 'ConflictError' })
})

test('a command without a node says what to type', async () => {
  using absent = new ControlClient(join(folder, 'absent.sock'), folder)
  await assert.rejects(absent.get('/status'), { name: 'UnreachableError', message: /commonhold start/ })
})

test('a node of another kind behind the socket is named as such', async () => {
  const strange = join(folder, 'strange.sock')
  const listener = createServer((socket) =>
    socket.resume().end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello')
  )
  await new Promise<void>((resolve) => listener.listen(strange, resolve))
  const other = new ControlClient(strange, folder)
  await assert.rejects(other.get('/status'), { name: 'InvalidInputError', message: /not JSON/ })
  other[Symbol.dispose]()
  await new Promise((resolve) => listener.close(resolve))
})

test('a path too long for a socket gets one in the runtime folder, the same for both sides', () => {
  const deep = `/home/somebody/${'deeply-nested/'.repeat(10)}data`
  const path = controlSocketPath(deep, '/run/user/1000/commonhold-1000')
  assert.ok(Buffer.byteLength(path) <= socketPathBytesMax)
  assert.equal(path, controlSocketPath(deep, '/run/user/1000/commonhold-1000'))
  assert.notEqual(path, controlSocketPath(`${deep}2`, '/run/user/1000/commonhold-1000'))
  assert.equal(controlSocketPath('/data', '/run'), '/data/control.sock')
})

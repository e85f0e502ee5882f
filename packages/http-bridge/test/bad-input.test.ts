// Every HTTP door against every kind of bad input: a clear answer below 500, nothing stored, nothing lost, and a
// server that goes on answering. One test per cell; `-` marks what cannot be wrong at that door.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { toHex } from '@commonhold/core'
import fc from 'fast-check'
import { type Answer, type Ask, Bridge } from './client.ts'

type Kind = 'empty' | 'truncated' | 'oversized' | 'wrong type' | 'wrong version' | 'garbage' | 'wrong auth'
type Cell = [path: string, ask: Ask, statuses: number[]] | '-'

const cidV0 = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKnpHz'
const cidBlake = 'bafk2bzaceds7cvhr7emo2t5nmyp3k3ymkqybqc7ymjhcbdvzl5cv5jzs6ymmk'
const oversizedName = 'a'.repeat(3000)
const garbageName = '%F0%9F%90%88%00%01%22%3C'
const all = { authorization: 'Bearer all' }

/** Columns every door with a name in its path shares; `method` and headers as that door needs them. */
function named(prefix: string, ask: Ask, authless: number[]): Record<Kind, Cell> {
  return {
    empty: [`${prefix}/`, ask, [400, 404, 405]],
    truncated: [`${prefix}/bafkreigh2akiscaildcqabsyg3dfr6chu3fg`, ask, [400]],
    oversized: [`${prefix}/${oversizedName}`, ask, [400]],
    'wrong type': [`${prefix}/${cidBlake}`, ask, [400]],
    'wrong version': [`${prefix}/${cidV0}`, ask, [404]],
    garbage: [`${prefix}/${garbageName}`, ask, [400]],
    'wrong auth': [`${prefix}/MEMBERS`, { ...ask, headers: { authorization: 'Bearer nobody' } }, authless]
  }
}

function plain(path: string): Record<Kind, Cell> {
  return {
    empty: [path, { headers: { 'user-agent': '' } }, [200]],
    truncated: [path, { headers: { range: 'bytes=' } }, [200]],
    oversized: [path, { headers: { 'x-large': 'a'.repeat(20_000) } }, [431]],
    'wrong type': [path, { method: 'POST', body: 'x' }, [405]],
    'wrong version': [path, { method: 'PATCH' }, [405]],
    garbage: [`${path}?%ff%00&&==`, {}, [200]],
    'wrong auth': [path, { headers: { authorization: 'Basic %%%' } }, [200]]
  }
}

const table: Record<string, Record<Kind, Cell>> = {
  'GET /ipfs': named('/ipfs', {}, [401]),
  'GET /ipfs, a path': {
    ...named('/ipfs', {}, [401]),
    empty: [`/ipfs/${cidV0}//`, {}, [404]],
    truncated: ['/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fg/a/b', {}, [400]],
    oversized: [`/ipfs/${cidV0}/${'a/'.repeat(3000)}`, {}, [400]],
    'wrong type': [`/ipfs/${cidBlake}/a`, {}, [400]],
    'wrong version': [`/ipfs/${cidV0}/a/b`, {}, [404]],
    garbage: [`/ipfs/${cidV0}/%ff%fe`, {}, [400]],
    'wrong auth': ['/ipfs/MEMBERS/a', { headers: { authorization: 'Bearer nobody' } }, [401]]
  },
  'GET /routing/v1/providers': {
    ...named('/routing/v1/providers', {}, [200]),
    'wrong version': [`/routing/v1/providers/${cidV0}`, {}, [200]]
  },
  'HEAD /ipfs': named('/ipfs', { method: 'HEAD' }, [401]),
  'GET /media': named('/media', {}, [401]),
  'HEAD /media': named('/media', { method: 'HEAD' }, [401]),
  'DELETE /media': named('/media', { method: 'DELETE', headers: all }, [401]),
  'GET /status': named('/status', {}, [401]),
  'POST /media': {
    empty: ['/media', { method: 'POST', headers: all }, [400]],
    truncated: [
      '/media',
      {
        method: 'POST',
        headers: { ...all, 'content-type': 'multipart/form-data; boundary=x' },
        body: '--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc'
      },
      [400]
    ],
    oversized: ['/media', { method: 'POST', headers: all, body: Buffer.alloc(70_000) }, [413]],
    'wrong type': [
      '/media',
      { method: 'POST', headers: { ...all, 'content-encoding': 'gzip' }, body: 'abc' },
      [415]
    ],
    'wrong version': ['/media?copys=3', { method: 'POST', headers: all, body: 'abc' }, [400]],
    garbage: ['/media?copies=%F0%9F&visibility=', { method: 'POST', headers: all, body: 'abc' }, [400]],
    'wrong auth': [
      '/media',
      { method: 'POST', headers: { authorization: `Bearer ${'x'.repeat(5000)}` }, body: 'abc' },
      [400, 401]
    ]
  },
  'GET /': plain('/'),
  'GET /livez': plain('/livez'),
  'GET /readyz': plain('/readyz'),
  'GET /robots.txt': plain('/robots.txt'),
  'GET /metrics': {
    ...plain('/metrics'),
    empty: ['/metrics', { headers: { authorization: '' } }, [400]],
    truncated: ['/metrics', { headers: { authorization: 'Bearer' } }, [400]],
    garbage: ['/metrics', { headers: { authorization: 'Bearer \u00e9\u00e9' } }, [400]],
    'wrong auth': ['/metrics', { headers: { authorization: 'Bearer reader' } }, [403]]
  }
}

describe('bad input', () => {
  let bridge: Bridge
  let members: string
  before(async () => {
    bridge = await Bridge.start({ uploadBytesMax: 65_536, lingerMsMax: 100 })
    members = bridge.pool.add(Buffer.from('for members'), { visibility: 'members' }).root.toString()
  })
  after(() => bridge[Symbol.asyncDispose]())

  for (const [door, cells] of Object.entries(table)) {
    for (const [kind, cell] of Object.entries(cells)) {
      if (cell === '-') continue
      const [path, ask, statuses] = cell
      it(`${door} × ${kind}: ${statuses.join(' or ')}`, async () => {
        const answer = await bridge.ask(path.replace('MEMBERS', members), ask)
        assert.ok(
          statuses.includes(answer.status),
          `answered ${answer.status}: ${answer.body.subarray(0, 300)}`
        )
        if (answer.status >= 400 && answer.status !== 431) isProblem(answer, ask.method === 'HEAD')
        assert.equal(bridge.pool.objects.size, 1)
        assert.equal(bridge.pool.objects.get(members)?.wanted, true)
      })
    }
  }

  it('traversal, encoded or not, names nothing', async () => {
    for (const path of [
      '/media/..%2f..%2fetc%2fpasswd',
      '/ipfs/%2e%2e/%2e%2e/etc/passwd',
      '/media/%2e%2e',
      '//etc/passwd',
      '/ipfs/..%5c..%5cwin.ini',
      '/media/%c0%ae%c0%ae',
      '/media/%',
      '/media/a%00b'
    ]) {
      const answer = await bridge.ask(path)
      assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`)
      isProblem(answer, false)
    }
  })

  it('what is not HTTP is refused and the line closed', async () => {
    const lines = [
      '\r\n\r\n',
      'GET\r\n\r\n',
      'FOO / HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\x16\x03\x01\x02\x00',
      `GET /${'a'.repeat(30_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      'POST /media HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
      'POST /media HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n',
      'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'
    ]
    for (const line of lines) {
      const said = await bridge.raw(line)
      assert.ok(
        said === '' || /^HTTP\/1\.1 4\d\d /.test(said),
        `${JSON.stringify(line.slice(0, 60))}: ${said.slice(0, 80)}`
      )
    }
    assert.equal((await bridge.ask('/livez')).status, 200)
  })

  it('fuzzed paths, queries and headers never bring a 5xx', async () => {
    const object = bridge.pool.add(randomBytes(1000))
    const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 30 }))
    const header = fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,60}$/)
    const root = fc.constantFrom(
      '',
      '/',
      '/ipfs/',
      '/media/',
      '/status/',
      '/media',
      '/metrics',
      `/ipfs/${object.root}`,
      `/media/${toHex(object.digest)}`
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT', 'PATCH', 'TRACE'),
        root,
        text,
        text,
        fc.dictionary(
          fc.constantFrom(
            'range',
            'if-none-match',
            'if-match',
            'if-range',
            'authorization',
            'accept',
            'content-type',
            'expect',
            'host',
            'cookie',
            'x-forwarded-for'
          ),
          header,
          { maxKeys: 4 }
        ),
        async (method, start, path, query, headers) => {
          const url =
            `${start}${encodeURI(path.toWellFormed())}?${encodeURI(query.toWellFormed())}`.replaceAll(
              '#',
              '%23'
            )
          const answer = await bridge.ask(url.startsWith('/') ? url : `/${url}`, { method, headers })
          assert.ok(
            answer.status < 500 && answer.status >= 200,
            `${method} ${url}: ${answer.status} ${answer.body.subarray(0, 200)}`
          )
        }
      ),
      { numRuns: 1500 }
    )
    const ranges = fc.stringMatching(/^(bytes)?[ =,0-9-]{0,40}$/)
    await fc.assert(
      fc.asyncProperty(ranges, async (range) => {
        const answer = await bridge.ask(`/ipfs/${object.root}`, { headers: { range } })
        assert.ok([200, 206, 416].includes(answer.status))
        assert.ok(!answer.cut)
        if (answer.status === 200) assert.equal(answer.body.length, 1000)
        if (answer.status === 206) {
          const [, from, to] = /^bytes (\d+)-(\d+)\/1000$/.exec(String(answer.headers['content-range'])) ?? []
          assert.ok(answer.body.equals(object.bytes.subarray(Number(from), Number(to) + 1)))
        }
      }),
      { numRuns: 1500 }
    )
  })
})

function isProblem(answer: Answer, bodiless: boolean): void {
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  if (bodiless) return
  const problem = JSON.parse(answer.body.toString('utf8')) as Record<string, unknown>
  assert.equal(problem['status'], answer.status)
  for (const field of ['type', 'title', 'detail']) {
    assert.ok(typeof problem[field] === 'string' && problem[field].length > 0, field)
  }
  assert.match(String(problem['detail']), /[.>]$/, 'a full sentence')
}

// deploy/nginx.conf as it is, but for the lines marked HERE, in front of a real node: TLS and HTTP/2 outside, and
// nothing of what the bridge promises lost on the way. Seen to fail with connections to the bridge not kept.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http2'
import { connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TokenAddAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

describe('behind nginx', { timeout: 120_000 }, () => {
  let folder: string
  let node: NodeProcess
  let port: number
  let stopNginx: () => Promise<void> = async () => {}
  let session: ClientHttp2Session
  let token: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'commonhold-nginx-'))
    node = new NodeProcess({
      name: 'node',
      dataFolder: join(folder, 'node'),
      settings: { 'http.uploadMax': 8_000_000, 'pool.copies': 1, 'pool.ackCopies': 1 }
    })
    await node.start()
    token = (await node.ask<TokenAddAnswer>('token', 'add', 'instance')).token
    port = await freePort()
    stopNginx = await startNginx(folder, port, new URL(node.about.httpUrl).port)
    session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  })
  after(async () => {
    session.destroy()
    await stopNginx()
    await node[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  function ask(headers: OutgoingHttpHeaders, body?: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stream = session.request(headers, { endStream: body === undefined })
      const parts: Buffer[] = []
      let answered: IncomingHttpHeaders = {}
      stream.on('response', (found) => {
        answered = found
      })
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('error', reject)
      stream.on('end', () => {
        resolve({ status: Number(answered[':status']), headers: answered, body: Buffer.concat(parts) })
      })
      if (body !== undefined) stream.end(body)
    })
  }

  it('takes an upload and gives it back over HTTP/2, whole, in part and not at all', async () => {
    const bytes = randomBytes(6_000_000)
    const upload = await ask(
      {
        ':method': 'POST',
        ':path': '/media',
        authorization: `Bearer ${token}`,
        'content-length': bytes.length
      },
      bytes
    )
    assert.equal(upload.status, 201, upload.body.toString())
    const { cid, url } = JSON.parse(upload.body.toString()) as { cid: string; url: string }
    assert.match(url, /\/media\//)
    const whole = await ask({ ':path': `/media/${cid}` })
    assert.deepEqual(whole.body, bytes)
    assert.equal(whole.headers['content-length'], String(bytes.length))
    assert.match(String(whole.headers['cache-control']), /immutable/)
    const part = await ask({ ':path': `/media/${cid}`, range: 'bytes=1000000-1000099' })
    assert.deepEqual([part.status, part.body], [206, bytes.subarray(1_000_000, 1_000_100)])
    const known = await ask({ ':path': `/media/${cid}`, 'if-none-match': String(whole.headers.etag) })
    assert.deepEqual([known.status, known.body.length], [304, 0])
    const head = await ask({ ':method': 'HEAD', ':path': `/ipfs/${cid}` })
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(bytes.length)])
    assert.equal((await ask({ ':path': `/ipfs/${cid}?format=raw` })).status, 200)
  })

  it('shows the words of the bridge when something is refused', async () => {
    const stranger = await ask({ ':method': 'POST', ':path': '/media' }, randomBytes(10))
    assert.equal(stranger.status, 401)
    assert.match(stranger.body.toString(), /scope “upload”/)
    assert.equal((await ask({ ':path': '/media/nothing' })).status, 400)
    assert.equal((await ask({ ':path': `/media/${'0'.repeat(64)}` })).status, 404)
    assert.equal((await ask({ ':path': '/readyz' })).status, 200)
  })

  it('keeps its connections to the bridge', async () => {
    for (let i = 0; i < 50; i++) assert.equal((await ask({ ':path': '/livez' })).status, 200)
    // One each would leave fifty closed ones behind.
    const waiting = (await readFile('/proc/net/tcp', 'utf8'))
      .split('\n')
      .filter((line) =>
        line.includes(`:${Number(new URL(node.about.httpUrl).port).toString(16).toUpperCase()} 06 `)
      )
    assert.ok(waiting.length < 25, `${waiting.length} closed connections`)
  })
})

async function startNginx(folder: string, port: number, bridgePort: string): Promise<() => Promise<void>> {
  const home = join(folder, 'nginx')
  await mkdir(home)
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=media.example.org', '-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')]
  ])
  assert.equal(made.status, 0, String(made.stderr))
  const site = (await readFile(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8'))
    .replace('127.0.0.1:8420', `127.0.0.1:${bridgePort}`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace(/ssl_certificate .*;/, `ssl_certificate ${join(home, 'cert.pem')};`)
    .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${join(home, 'key.pem')};`)
  await writeFile(join(home, 'site.conf'), site)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  await writeFile(
    join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${join(home, 'pid')}; error_log ${join(home, 'error.log')} warn;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${join(home, name)};`).join('\n  ')}
  include ${join(home, 'site.conf')};
}
`
  )
  const child = spawn('nginx', ['-c', join(home, 'nginx.conf'), '-p', home], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  for (;;) {
    assert.equal(child.exitCode, null, 'nginx goes on running')
    if (await accepts(port)) break
    await sleep(20)
  }
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

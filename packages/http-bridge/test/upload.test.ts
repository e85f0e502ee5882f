// Writing: what may be sent, in which wrapping, and what the answer says about the bytes that were stored.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { NoSpaceError, PoolTooSmallError, toHex } from '@commonhold/core'
import sharp from 'sharp'
import { type Answer, type Ask, Bridge, json } from './client.ts'

const auth = { authorization: 'Bearer all' }
const limit = 3 * 1024 * 1024

describe('POST /media', () => {
  let bridge: Bridge
  let photo: Buffer
  before(async () => {
    bridge = await Bridge.start({ uploadBytesMax: limit, lingerMsMax: 200 })
    photo = await readFile(new URL('../../../test/fixtures/coffee.jpg', import.meta.url))
  })
  after(() => bridge[Symbol.asyncDispose]())
  beforeEach(() => {
    delete bridge.pool.putFailure
    bridge.pool.objects.clear()
  })

  const upload = (body: Uint8Array | string, ask?: Ask & { query?: string }): Promise<Answer> =>
    bridge.ask(`/media${ask?.query ?? ''}`, { method: 'POST', body, headers: { ...auth, ...ask?.headers } })

  function form(...parts: { name: string; filename?: string; body: Uint8Array | string }[]): {
    body: Buffer
    headers: Record<string, string>
  } {
    const chunks: (Uint8Array | string)[] = []
    for (const { name, filename, body } of parts) {
      const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: image/jpeg`
      chunks.push(`--limit\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`, body, '\r\n')
    }
    const body = Buffer.concat([...chunks, '--limit--\r\n'].map((part) => Buffer.from(part)))
    return { body, headers: { 'content-type': 'multipart/form-data; boundary=limit' } }
  }

  it('stores a raw photograph without its place, and names the stored bytes', async () => {
    const answer = await upload(photo, { query: '?copies=2&visibility=public' })
    assert.equal(answer.status, 201)
    const told = json(answer)
    const stored = [...bridge.pool.objects.values()][0]
    assert.ok(stored !== undefined)
    assert.equal(told['sha256'], toHex(stored.digest))
    assert.equal(told['cid'], stored.root.toString())
    assert.equal(told['size'], stored.bytes.length)
    assert.equal(told['name'], `${toHex(stored.digest)}.jpg`)
    assert.equal(told['type'], 'image/jpeg')
    assert.equal(told['copies'], 2)
    assert.equal(stored.copiesMin, 2)
    assert.ok((told['metadataRemoved'] as string[]).includes('Exif'))
    assert.equal(answer.headers['location'], `/media/${toHex(stored.digest)}.jpg`)
    assert.equal(told['url'], `http://127.0.0.1:${bridge.port}${answer.headers['location']}`)
    assert.ok(stored.bytes.length < photo.length)
    assert.equal(
      (await sharp(stored.bytes).metadata()).orientation,
      (await sharp(photo).metadata()).orientation
    )

    const back = await bridge.ask(String(answer.headers['location']))
    assert.deepEqual(new Uint8Array(back.body), stored.bytes)
    assert.equal((await upload(photo)).status, 200, 'the same again')
  })

  it('stores exactly what was sent when asked to keep metadata, and what it does not understand', async () => {
    const kept = await upload(photo, { query: '?metadata=keep' })
    assert.equal(json(kept)['metadataRemoved'], null)
    assert.equal(json(kept)['size'], photo.length)
    const unknown = randomBytes(100_000)
    const answer = await upload(unknown)
    assert.equal(answer.status, 201)
    assert.equal(json(answer)['size'], unknown.length)
    assert.equal(json(answer)['metadataRemoved'], null)
    assert.match(String(json(answer)['name']), /\.bin$/)
  })

  it('takes one file of a form', async () => {
    const sent = form({ name: 'file', filename: 'a.jpg', body: photo })
    const answer = await upload(sent.body, sent)
    assert.equal(answer.status, 201)
    assert.equal(json(answer)['sha256'], json(await upload(photo))['sha256'])
  })

  it('keeps nothing of a form that is anything but one file', async () => {
    const file = { name: 'file', filename: 'a.jpg', body: photo }
    const wrong = {
      'no file': form({ name: 'text', body: 'x' }),
      'two files': form(file, { ...file, name: 'other' }),
      'a field before': form({ name: 'copies', body: '2' }, file),
      'a field behind': form(file, { name: 'copies', body: '2' }),
      'cut off': { ...form(file), body: form(file).body.subarray(0, 5000) },
      'without boundary': { ...form(file), headers: { 'content-type': 'multipart/form-data' } },
      mixed: { ...form(file), headers: { 'content-type': 'multipart/mixed; boundary=limit' } },
      garbage: { ...form(file), body: randomBytes(10_000) },
      empty: { ...form(file), body: Buffer.alloc(0) }
    }
    for (const [what, sent] of Object.entries(wrong)) {
      const answer = await upload(sent.body, sent)
      assert.equal(answer.status, 400, what)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(bridge.pool.objects.size, 0, what)
    }
  })

  it('bounds the size, told before or found on the way', async () => {
    const large = Buffer.alloc(limit + 1)
    assert.equal((await upload(large.subarray(0, limit))).status, 201)
    bridge.pool.objects.clear()
    const refused = await upload(large)
    assert.equal(refused.status, 413)
    assert.match(String(json(refused)['detail']), new RegExp(String(limit)))
    const streamed = await upload(large, { headers: { 'transfer-encoding': 'chunked' } })
    assert.equal(streamed.status, 413)
    const sent = form({ name: 'file', filename: 'x', body: large })
    assert.equal(
      (await upload(sent.body, { headers: { ...sent.headers, 'transfer-encoding': 'chunked' } })).status,
      413
    )
    assert.equal(bridge.pool.objects.size, 0)
  })

  it('asks for the body only after token and parameters are right', async () => {
    const talk = async (path: string, authorization: string): Promise<string> => {
      const req = request({
        host: '127.0.0.1',
        port: bridge.port,
        path,
        method: 'POST',
        agent: false,
        headers: { authorization, expect: '100-continue', 'content-length': photo.length }
      })
      const continued = once(req, 'continue').then(() => 'continue')
      const answered = once(req, 'response').then(([res]) => String(res.statusCode))
      req.on('error', () => {})
      req.flushHeaders()
      const first = await Promise.race([continued, answered])
      if (first === 'continue') req.end(photo)
      const status = await answered
      req.destroy()
      return `${first === 'continue' ? 'continue ' : ''}${status}`
    }
    assert.equal(await talk('/media', 'Bearer wrong'), '401')
    assert.equal(await talk('/media?copies=0', 'Bearer all'), '400')
    assert.equal(await talk('/media', 'Bearer all'), 'continue 201')
  })

  it('says what the pool says: denied, no space, too few operators', async () => {
    const stored = bridge.pool.add(Buffer.from('denied bytes'))
    bridge.pool.objects.clear()
    bridge.pool.deny(stored)
    assert.equal((await upload('denied bytes')).status, 410)
    bridge.pool.undeny(stored)
    assert.equal((await upload('denied bytes')).status, 201)
    bridge.pool.putFailure = new NoSpaceError('The store is full.')
    assert.equal((await upload('x')).status, 507)
    bridge.pool.putFailure = new PoolTooSmallError(1, 3)
    const small = await upload('x')
    assert.equal(small.status, 503)
    assert.match(String(json(small)['detail']), /1 operator, 3 needed/)
    bridge.pool.putFailure = new Error('a secret path /var/lib')
    const fault = await upload('x')
    assert.equal(fault.status, 500)
    assert.doesNotMatch(fault.body.toString(), /secret path/)
  })

  it('keeps nothing of an upload whose client goes away', async () => {
    const socket = connect(bridge.port, '127.0.0.1')
    socket.write(
      `POST /media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nContent-Length: ${photo.length}\r\n\r\n`
    )
    socket.write(photo.subarray(0, 50_000))
    await new Promise<void>((resolve) => setImmediate(resolve))
    socket.destroy()
    // The server sees the end of this connection before it answers a later one.
    assert.equal((await bridge.ask('/livez')).status, 200)
    assert.equal(bridge.pool.objects.size, 0)
  })
})

describe('DELETE and status', () => {
  it('takes back the wish of this node, once', async () => {
    await using bridge = await Bridge.start()
    const object = bridge.pool.add(randomBytes(5))
    const path = `/media/${toHex(object.digest)}.bin`
    const remove = (token: string): Promise<Answer> =>
      bridge.ask(path, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    assert.equal((await bridge.ask(path, { method: 'DELETE' })).status, 401)
    assert.equal((await remove('uploader')).status, 403)
    assert.equal((await remove('all')).status, 204)
    assert.equal((await remove('all')).status, 404)
    assert.equal((await bridge.ask(path)).status, 404)
  })

  it('tells numbers to everyone and holders to those with a token', async () => {
    await using bridge = await Bridge.start()
    const object = bridge.pool.add(randomBytes(5))
    const open = json(await bridge.ask(`/status/${object.root}`))
    assert.deepEqual([open['copiesLive'], open['copiesMin'], open['health']], [3, 3, 'healthy'])
    assert.equal(open['holders'], undefined)
    const known = json(
      await bridge.ask(`/status/${toHex(object.digest)}`, { headers: { authorization: 'Bearer reader' } })
    )
    assert.equal((known['holders'] as unknown[]).length, 1)
    object.wanted = false
    assert.equal((await bridge.ask(`/status/${object.root}`)).status, 404)
  })
})

describe('invariant 7 at every HTTP door', () => {
  it('a denial closes reading, status and uploading at once, cached bytes included, and its undo opens them', async () => {
    await using bridge = await Bridge.start()
    for (const local of [true, false]) {
      const bytes = randomBytes(2000)
      const object = bridge.pool.add(bytes, { local })
      const digest = toHex(object.digest)
      const doors: [string, Ask, number][] = [
        [`/ipfs/${object.root}`, {}, 200],
        [`/ipfs/${object.root}`, { method: 'HEAD' }, 200],
        [`/ipfs/${object.root}`, { headers: { range: 'bytes=0-1' } }, 206],
        [`/ipfs/${object.root}`, { headers: { 'if-none-match': `"${object.root}"` } }, 304],
        [`/media/${object.root}`, {}, 200],
        [`/media/${digest}.jpg`, {}, 200],
        [`/status/${object.root}`, {}, 200],
        [`/status/${digest}`, {}, 200],
        ['/media', { method: 'POST', headers: auth, body: bytes }, 200]
      ]
      const check = async (denied: boolean): Promise<void> => {
        for (const [path, ask, status] of doors) {
          assert.equal(
            (await bridge.ask(path, ask)).status,
            denied ? 410 : status,
            `${path} ${JSON.stringify(ask.headers)}`
          )
        }
      }
      await check(false)
      bridge.pool.deny(object)
      await check(true)
      const fetched = bridge.pool.fetches.length
      bridge.pool.undeny(object)
      await check(false)
      assert.ok(bridge.pool.fetches.length > fetched, 'denied bytes did not wait in the cache')
      bridge.pool.deny(object, { verdict: 'quarantine', reasons: ['two lists'] })
      const held = await bridge.ask(`/ipfs/${object.root}`)
      assert.equal(held.status, 410)
      assert.match(String((json(held)['reasons'] as string[])[0]), /quarantine/)
      bridge.pool.undeny(object)
      await check(false)
    }
  })
})

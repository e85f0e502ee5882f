// Loaded into a node before its program (`--import`): waits at the words of the protocols for a blow that was
// armed by a file beside the data folder. The program under test is unchanged; only what it asks of Node is
// listened to: signing a receipt, writing to a socket, answering an upload on the control socket.

import crypto from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const dataFolder = process.argv[process.argv.indexOf('--data') + 1]
const blowPath = `${dataFolder}.blow`

function isArmed(point: string): boolean {
  try {
    return readFileSync(blowPath, 'utf8') === point
  } catch {
    // No file, no blow.
    return false
  }
}

function fall(what: string): void {
  writeFileSync(`${blowPath}.said`, what)
  process.kill(process.pid, 'SIGKILL')
}

const receiptDomain = Buffer.from('commonhold/receipt/v1\0')
let receiptOnItsWay = false

const sign = crypto.sign
crypto.sign = ((...args: Parameters<typeof crypto.sign>) => {
  const message = args[1]
  const isReceipt =
    Buffer.isBuffer(message) && message.subarray(0, receiptDomain.length).equals(receiptDomain)
  if (isReceipt && isArmed('receipt: before')) fall('batch and blocks durable, receipt not yet signed')
  if (isReceipt && isArmed('receipt: sent')) receiptOnItsWay = true
  return sign(...args)
}) as typeof crypto.sign

const write = net.Socket.prototype.write
net.Socket.prototype.write = function (this: net.Socket, ...args: unknown[]): boolean {
  const flowed = Reflect.apply(write, this, args) as boolean
  if (receiptOnItsWay && this.remotePort !== undefined) {
    receiptOnItsWay = false
    // Encryption and queues are on the way: a moment later it is with the kernel.
    setTimeout(() => fall(`receipt signed and sent, ${this.bytesWritten} bytes to its peer`), 5)
  }
  return flowed
}

const isUpload = (response: http.ServerResponse): boolean =>
  response.req.method === 'POST' && response.req.url?.startsWith('/v1/objects?') === true

const writeHead = http.ServerResponse.prototype.writeHead
http.ServerResponse.prototype.writeHead = function (this: http.ServerResponse, ...args: unknown[]) {
  if (isUpload(this) && args[0] === 200) {
    if (isArmed('ack: before')) fall('wish durable and promised, answer not yet written')
    if (isArmed('ack: after')) this.once('finish', () => fall('answer handed to the kernel'))
  }
  return Reflect.apply(writeHead, this, args)
} as typeof writeHead

syncBuiltinESMExports()

// For machines that watch: /livez says the process answers, /readyz whether it should be sent requests, and why
// not. `?verbose` is for people.

import type { BridgeComponents } from '../components.ts'
import type { Handler } from '../route.ts'

/** Asks nobody: a node without peers or disk must not be restarted for it. */
export function livez(): Handler {
  return (req, res) => answer(req.method, res, 200, 'ok\n')
}

export function readyz({ health }: BridgeComponents): Handler {
  return (req, res) => {
    const reasons = health.notReadyReasons()
    const ready = reasons.length === 0
    const lines = 'verbose' in req.query ? reasons.map((reason) => `- ${reason}\n`).join('') : ''
    answer(req.method, res, ready ? 200 : 503, `${ready ? 'ready' : 'not ready'}\n${lines}`)
  }
}

function answer(method: string, res: Parameters<Handler>[1], status: number, text: string): void {
  res.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff'
  })
  res.end(method === 'HEAD' ? undefined : text)
}

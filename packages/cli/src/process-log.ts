// The log of a running node, on stderr: JSON lines for whoever collects them, one readable line per
// event when a person is watching. Never on stdout, which belongs to results.

import type { Log, LogFields } from '@commonhold/core'
import { pino } from 'pino'
import type { Config } from './config.ts'

type Level = Config['node']['logLevel']

export function processLog(level: Level): Log {
  return process.stderr.isTTY === true ? readableLog(level) : jsonLog(level)
}

function jsonLog(level: Level): Log {
  // Synchronous: the line that says why a process ended must not be lost with it.
  const logger = pino({ level, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
  const at =
    (method: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: LogFields): void =>
      logger[method](fields ?? {}, message)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

const severity: readonly Level[] = ['debug', 'info', 'warn', 'error', 'silent']

function readableLog(level: Level): Log {
  const at =
    (method: Exclude<Level, 'silent'>) =>
    (message: string, fields: LogFields = {}): void => {
      if (severity.indexOf(method) < severity.indexOf(level)) return
      const values = Object.entries(fields).map(([key, value]) => `${key}=${readable(value)}`)
      const time = new Date().toTimeString().slice(0, 8)
      process.stderr.write(`${time} ${method.padEnd(5)} ${[message, ...values].join('  ')}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function readable(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

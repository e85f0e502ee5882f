// `commonhold start`: a node and its bridge, until somebody says stop.

import { InvalidInputError } from '@commonhold/core/errors'
import { type Override, parseOverride } from '../config.ts'
import { runNode } from '../run-node.ts'
import type { Session } from '../session.ts'
import { parseBytes } from '../units.ts'

interface StartOptions {
  readonly keep?: string
  readonly stage?: string
  readonly http?: string
  readonly listen?: readonly string[]
  readonly set?: readonly string[]
}

export async function run(session: Session, _args: readonly string[], options: StartOptions): Promise<void> {
  const overrides: Override[] = (options.set ?? []).map(parseOverride)
  if (options.keep !== undefined) overrides.push(['node.keep', parseBytes(options.keep, '--keep')])
  if (options.stage !== undefined) overrides.push(['node.stage', parseBytes(options.stage, '--stage')])
  if (options.listen !== undefined) overrides.push(['network.listen', options.listen])
  if (options.http !== undefined) overrides.push(...httpOverrides(options.http))
  await runNode(session, { overrides })
}

function httpOverrides(text: string): Override[] {
  const found = /^(?:(.+):)?(\d{1,5})$/.exec(text)
  if (found === null)
    throw new InvalidInputError(`“${text.slice(0, 80)}” is not an address: write it like 127.0.0.1:8420.`)
  const host = found[1]?.replace(/^\[(.*)\]$/, '$1')
  const port: Override = ['http.port', Number(found[2])]
  return host === undefined ? [port] : [['http.host', host], port]
}

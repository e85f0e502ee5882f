// What every command is given: where it speaks, which data folder it is about, and the way to the node
// that runs there.

import { resolve } from 'node:path'
import { ControlClient } from './control/client.ts'
import { controlSocketPath } from './control/socket-path.ts'
import type { Environment } from './environment.ts'
import { processTerminal, type Terminal } from './terminal.ts'

export interface Session extends Disposable {
  readonly terminal: Terminal
  readonly environment: Environment
  readonly dataFolder: string
  readonly socketPath: string
  /** To the running node; nothing is connected before it is asked. */
  readonly node: ControlClient
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal
}

export function openSession(
  context: { readonly environment: Environment; readonly json: boolean; readonly signal: AbortSignal },
  data: string | undefined
): Session {
  const { environment, json, signal } = context
  const dataFolder = data === undefined ? environment.dataFolder : resolve(data)
  const socketPath = controlSocketPath(dataFolder, environment.runtimeFolder)
  const node = new ControlClient(socketPath, dataFolder)
  return {
    terminal: processTerminal({ json, noColor: environment.noColor }),
    environment,
    dataFolder,
    socketPath,
    node,
    signal,
    [Symbol.dispose]: () => node[Symbol.dispose]()
  }
}

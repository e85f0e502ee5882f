// The one file that reads the environment of the process. Everything else is told by parameter.

import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export interface Environment {
  /** Folder of the node: `COMMONHOLD_DATA`, else `commonhold` under `XDG_DATA_HOME` or ~/.local/share. */
  readonly dataFolder: string
  /** Folder for sockets whose path in the data folder would be too long. */
  readonly runtimeFolder: string
  /** Level of the log (`COMMONHOLD_LOG`); the config file decides when absent. */
  readonly logLevel: string | undefined
  /** https://no-color.org: colours are off when `NO_COLOR` is set to anything but an empty string. */
  readonly noColor: boolean
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const uid = process.getuid?.() ?? 0
  return {
    dataFolder: resolve(
      present(env['COMMONHOLD_DATA']) ??
        join(present(env['XDG_DATA_HOME']) ?? join(homedir(), '.local', 'share'), 'commonhold')
    ),
    runtimeFolder: join(present(env['XDG_RUNTIME_DIR']) ?? tmpdir(), `commonhold-${uid}`),
    logLevel: present(env['COMMONHOLD_LOG']),
    noColor: present(env['NO_COLOR']) !== undefined
  }
}

/** An empty variable is an unset one. */
function present(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}

// `commonhold version`.

import type { Session } from '../session.ts'
import { version } from '../version.ts'

export async function run({ terminal }: Session): Promise<void> {
  if (terminal.json) terminal.document({ version, node: process.versions.node })
  else terminal.line(version)
}

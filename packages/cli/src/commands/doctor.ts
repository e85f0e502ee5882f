// `commonhold doctor`: looks for what keeps the node from doing its work, first without it, then by
// asking it. Ends with its own exit code when something is wrong, for scripts that watch.

import { access, constants, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../config.ts'
import type { DoctorFinding } from '../control/protocol.ts'
import { doctorExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal, dataFolder }: Session): Promise<void> {
  const findings: DoctorFinding[] = [
    { check: 'program', ok: true, detail: `Node ${process.versions.node} on ${process.platform}` },
    await found('config', async () => {
      await readConfig(dataFolder)
      return 'config.toml is valid, or absent'
    }),
    await found('data folder', async () => {
      await access(dataFolder, constants.W_OK)
      return `${dataFolder} can be written to`
    }),
    await found('keys', async () => {
      const { mode } = await stat(join(dataFolder, 'keys'))
      if ((mode & 0o077) !== 0) throw new Error('the folder keys is open to other users: chmod 700 it')
      return 'the keys are closed to other users'
    })
  ]
  try {
    findings.push({ check: 'node', ok: true, detail: 'a node is running' })
    findings.push(...(await node.get<readonly DoctorFinding[]>('/doctor', { signal })))
  } catch (err) {
    const detail = err instanceof Error ? err.message : String(err)
    findings[findings.length - 1] = { check: 'node', ok: false, detail }
  }
  if (findings.some(({ ok }) => !ok)) process.exitCode = doctorExitCode
  if (terminal.json) return terminal.document(findings)
  const width = Math.max(...findings.map(({ check }) => check.length))
  for (const { check, ok, detail, next } of findings) {
    terminal.line(
      `  ${ok ? terminal.paint('green', '✓') : terminal.paint('red', '✗')} ${check.padEnd(width)}  ${detail}`
    )
    if (!ok && next !== undefined) terminal.line(`    ${' '.repeat(width)}${terminal.paint('cyan', next)}`)
  }
}

async function found(check: string, look: () => Promise<string>): Promise<DoctorFinding> {
  try {
    return { check, ok: true, detail: await look() }
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return { check, ok: true, detail: 'not there yet; the first start makes it' }
    return { check, ok: false, detail: err instanceof Error ? err.message : String(err) }
  }
}

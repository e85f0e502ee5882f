// Writes one setting into config.toml and leaves everything else of it, comments included, as its
// owner wrote it: what was promised to a pool at joining must hold after a restart.

import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { configFileName, configTemplate } from './config.ts'

/** @param value as TOML, e.g. `"50GB"` with its quotes. */
export async function rememberSetting(
  dataFolder: string,
  section: string,
  key: string,
  value: string
): Promise<void> {
  const path = join(dataFolder, configFileName)
  const text = await readFile(path, 'utf8').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return configTemplate
    throw err
  })
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(withSetting(text, section, key, value))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** The text with `key = value` in its section: in place of a line that sets it, or has it commented out. */
export function withSetting(text: string, section: string, key: string, value: string): string {
  const lines = text.split('\n')
  const header = lines.findIndex((line) => line.trim() === `[${section}]`)
  if (header === -1) return `${text.replace(/\n*$/, '\n')}\n[${section}]\n${key} = ${value}\n`
  const after = lines.findIndex((line, i) => i > header && /^\s*\[/.test(line))
  const end = after === -1 ? lines.length : after
  const form = (commented: string): RegExp => new RegExp(`^\\s*${commented}${key}\\s*=`)
  const within = (pattern: RegExp): number =>
    lines.findIndex((line, i) => i > header && i < end && pattern.test(line))
  const set = within(form(''))
  const at = set === -1 ? within(form('#\\s*')) : set
  if (at === -1) lines.splice(header + 1, 0, `${key} = ${value}`)
  else lines[at] = `${key} = ${value}`
  return lines.join('\n')
}

// `npm run pack FOLDER`: builds and packs every workspace, one tarball each, as they are published.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Packs into `folder`, which is made when missing, and answers the paths of the tarballs. */
export function packAll(folder: string): string[] {
  mkdirSync(folder, { recursive: true })
  run(join(root, 'node_modules/.bin/tsc'), ['-b', 'packages/cli'])
  // tsc never removes what it once wrote, and a file without a source would be published with the rest.
  for (const file of globSync('packages/*/dist/**/*.js', { cwd: root })) {
    const stem = file.slice(0, -'.js'.length)
    if (existsSync(join(root, `${stem.replace('/dist/', '/src/')}.ts`))) continue
    for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map'])
      rmSync(join(root, stem + ending), { force: true })
  }
  // The licence has to travel with every copy, and npm packs only what lies in the package.
  for (const manifest of globSync('packages/*/package.json', { cwd: root })) {
    copyFileSync(join(root, 'LICENSE'), join(root, manifest, '..', 'LICENSE'))
  }
  const packed = run('npm', [
    'pack',
    '--workspaces',
    '--json',
    '--loglevel=error',
    '--pack-destination',
    resolve(folder)
  ])
  const answer = JSON.parse(packed) as { filename: string }[] | Record<string, { filename: string }>
  return Object.values(answer).map(({ filename }) => join(resolve(folder), filename))
}

function run(command: string, args: readonly string[]): string {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit']
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}`)
  return stdout
}

if (import.meta.main) {
  const folder = process.argv[2]
  if (folder === undefined) {
    console.error('Say where to: npm run pack -- FOLDER')
    process.exit(64)
  }
  console.log(packAll(folder).join('\n'))
}

// The CID vectors against real Kubo. Needs either an `ipfs` binary, or Go and the network to build one, so
// it runs only when asked: `KUBO=<path of ipfs>` or `KUBO=build`.

import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const kubo = process.env['KUBO']
const skip = kubo === undefined && 'set KUBO to the path of an ipfs binary, or to “build” where Go is present'

test('Kubo gives the files of the vectors the same CIDs', { skip, timeout: 20 * 60_000 }, () => {
  const script = fileURLToPath(new URL('../../../scripts/kubo-vectors.sh', import.meta.url))
  execFileSync('sh', kubo === 'build' || kubo === undefined ? [script] : [script, kubo], { stdio: 'inherit' })
})

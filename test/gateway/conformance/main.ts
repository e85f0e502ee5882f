// `npm run conformance`: all cases against a bridge that passes through, and docs/conformance.md from what came of them.
// `npm run conformance -- --serve` starts the same two nodes, says where, and waits for Ctrl-C: for suites of others.

import { writeFile } from 'node:fs/promises'
import { groups } from './cases.ts'
import { type Outcome, runAll, startGround } from './run.ts'

const page = new URL('../../../docs/conformance.md', import.meta.url)

await using ground = await startGround()
if (process.argv.includes('--serve')) {
  console.log(`The bridge is at ${ground.bridgeUrl}; Ctrl-C ends it.`)
  await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()))
} else {
  const outcomes = await runAll(ground)
  await writeFile(page, pageOf(outcomes))
  const failed = outcomes.filter(({ failure }) => failure !== undefined)
  for (const { spec, name, failure } of failed) console.log(`FAILED ${spec}: ${name}\n       ${failure}`)
  const skipped = groups.reduce((sum, group) => sum + group.skipped.length, 0)
  console.log(`${outcomes.length - failed.length} passed, ${failed.length} failed, ${skipped} skipped`)
  if (failed.length > 0) process.exitCode = 1
}

function pageOf(outcomes: readonly Outcome[]): string {
  const rows = groups.map(({ spec, skipped }) => {
    const own = outcomes.filter((outcome) => outcome.spec === spec)
    const failed = own.filter(({ failure }) => failure !== undefined)
    return `| ${spec} | ${own.length - failed.length} | ${failed.length} | ${skipped.length} |`
  })
  const failed = outcomes.filter(({ failure }) => failure !== undefined)
  const total = `| all | ${outcomes.length - failed.length} | ${failed.length} | ${groups.reduce((sum, { skipped }) => sum + skipped.length, 0)} |`
  const failures =
    failed.length === 0
      ? 'None.'
      : failed.map(({ spec, name, failure }) => `- ${spec}: ${name}. ${failure?.split('\n')[0]}`).join('\n')
  const skips = groups
    .flatMap(({ spec, skipped }) =>
      skipped.map(({ name, reason }) => `- ${spec}: ${name}. Because ${reason}.`)
    )
    .join('\n')
  return `# Conformance to the gateway specifications

Written by \`npm run conformance\`. Two real nodes make a pool: one imports the fixtures, the other has no space and no cache, and answers everything by
passing it through; at the end it must have kept no block.

**These are this project's own cases**, written from the [specifications](https://specs.ipfs.tech/http-gateways/) and grouped as the suite of the IPFS
project groups its own. [gateway-conformance](https://github.com/ipfs/gateway-conformance) itself (v0.13) was *not* run: its Go module could not be had where this
page was written. Its counts would be others, and its fixtures find what ours do not think of. To run it, import its fixtures
(\`gateway-conformance extract-fixtures\`, then \`commonhold import\`) and point it at a bridge; \`npm run conformance -- --serve\` starts one.

| group | passed | failed | skipped |
|---|---|---|---|
${rows.join('\n')}
${total}

## Failed

${failures}

## Skipped, and why

${skips}

Not built, and so without cases: IPNS (\`trustless-ipns-gateway\`, \`path-ipns-gateway\`), conversions between codecs (\`path-dag-gateway\`), tar, subdomains, DNSLink,
\`_redirects\`. What is asked of them is answered 404 or 406.

A part of an object asked for by its own CID is found only on a node that holds the object ([why](decisions/0606-paths-and-pages.md)); so the file of many blocks that the
cases of \`entity-bytes\` ask for is a root of the archive here, where the suite of the IPFS project asks for it by a CID out of a folder.
`
}

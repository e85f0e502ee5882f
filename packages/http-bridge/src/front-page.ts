// `/`: what this machine is, in plain words, for whoever followed a picture here. No scripts, no cookies, no
// requests to anywhere.

import type { BridgeComponents, NodeAbout } from './components.ts'
import { escaped, pageHeaders } from './page.ts'
import type { Handler } from './route.ts'

export function frontPage({ health }: BridgeComponents): Handler {
  return (req, res) => {
    const body = Buffer.from(pageOf(health.about(), health.notReadyReasons()))
    res.writeHead(200, { ...pageHeaders, 'Content-Length': body.length, 'Cache-Control': 'no-cache' })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}

/** A crawler that walks the names would make this node fetch the whole pool. */
export function robots(): Handler {
  const body = 'User-agent: *\nDisallow: /ipfs/\nDisallow: /media/\nDisallow: /status/\nDisallow: /routing/\n'
  return (req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}

function pageOf(about: NodeAbout, notReady: readonly string[]): string {
  const who =
    about.operatorDomain === undefined
      ? ''
      : ` It is run by <strong>${escaped(about.operatorDomain)}</strong>.`
  const pool =
    about.pool === undefined
      ? 'It is in no pool yet, so it keeps only what its own operator gave it.'
      : `It is in the pool <strong>${escaped(about.pool.name)}</strong>: ${about.pool.operators} ` +
        `${about.pool.operators === 1 ? 'operator keeps' : 'operators keep'} ${about.pool.objects} ` +
        `${about.pool.objects === 1 ? 'object' : 'objects'} together.`
  const trouble =
    notReady.length === 0
      ? ''
      : `<p class="trouble">It cannot serve everything just now: ${notReady.map(escaped).join('; ')}.</p>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A Commonhold node</title>
<style>
:root { color-scheme: light dark }
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.2rem }
h1 { font-size: 1.6rem; line-height: 1.25 }
code { font-size: .92em; overflow-wrap: anywhere }
dt { margin-top: .8rem } dd { margin: 0; opacity: .8 }
.trouble { border-left: .25rem solid #c60; padding-left: .8rem }
footer { margin-top: 3rem; font-size: .85rem; opacity: .7 }
</style>
</head>
<body>
<h1>This is a node of Commonhold, a media store kept in common.</h1>
<p>Servers and volunteers keep each other’s pictures and videos here, each under a name made from its own bytes, so
that none of them is lost when a machine is.${who}</p>
<p>${pool}</p>
${trouble}
<p>Where to go:</p>
<dl>
<dt><code>/media/&lt;sha256 or CID&gt;</code></dt><dd>a picture, video or sound by either of its names</dd>
<dt><code>/ipfs/&lt;CID&gt;</code></dt><dd>the same, at the address IPFS gateways use</dd>
<dt><code>/status/&lt;name&gt;</code></dt><dd>how many copies of it there are</dd>
<dt><a href="/readyz?verbose"><code>/readyz?verbose</code></a></dt><dd>whether this node is in working order</dd>
</dl>
<footer>Commonhold ${escaped(about.version)} · node <code>${escaped(about.nodeId)}</code></footer>
</body>
</html>
`
}

// What an operator can set: `config.toml` in the data folder, overridden by `--set key=value`. This
// schema is the one source of every key, its type, its default and its explanation; a key it does not
// know is refused by name, because a misspelt limit is no limit.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '@commonhold/core/errors'
import { parse, TomlError } from 'smol-toml'
import { z } from 'zod'
import { defaults } from './options.ts'
import { nearest } from './suggest.ts'
import { parseBytes, parseDurationMs } from './units.ts'

const bytes = (what: string) =>
  z.union([
    z.number().int().min(0),
    z
      .string()
      .max(40)
      .transform((text) => parseBytes(text, what))
  ])
const duration = (what: string) =>
  z
    .string()
    .max(40)
    .transform((text) => parseDurationMs(text, what))
const address = z.string().min(1).max(1024)

/** The bound of the formats. */
const copies = z.number().int().min(1).max(32)

/** What an operator can set, resolved: sizes in bytes, durations in milliseconds. */
export interface Config {
  readonly node: {
    /** `server`: always on. `home`: a machine that sleeps; others then keep two copies more. @default server */
    readonly class: 'server' | 'home'
    /** Where it stands, in a word (a city, a data centre): copies are spread over zones where known. */
    readonly zone?: string | undefined
    /** Space offered to the pool. 0: a member that keeps nothing for others. @default 50 GB */
    readonly keep: number
    /** Space beyond `keep` for own uploads until keepers have them. 0: uploads share `keep`. @default 1 GB when `keep` is 0, else 0 */
    readonly stage: number
    /** Time over which one check of all stored blocks is spread: half of how old a byte may become unread. @default 14d */
    readonly scrubPeriod?: number | undefined
    /** Most bytes per second that check reads. @default 16 MiB */
    readonly scrubRate?: number | undefined
    /** @default warn */
    readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  }
  readonly network: {
    /** Multiaddrs to listen on; port 0 takes a free one. @default port 4420 of every interface */
    readonly listen: readonly string[]
    /** Multiaddrs to tell others instead of those listened on, behind a port forwarding. @default none */
    readonly announce: readonly string[]
    /** Peers to meet the network by. @default none */
    readonly bootstrap: readonly string[]
    /** Find nodes on the same local network. @default true */
    readonly mdns: boolean
    /** Tell the DHT what is here, so that nodes outside the pool find it. @default true */
    readonly provide: boolean
  }
  readonly http: {
    /** Address the bridge listens on; a reverse proxy with TLS before it serves the world. @default 127.0.0.1 */
    readonly host: string
    /** @default 8420 */
    readonly port: number
    /** Where the world reaches this bridge, for the links in answers. */
    readonly url?: string | undefined
    /** Largest upload, in bytes. @default 5 GB */
    readonly uploadMax: number
    /** Bytes of the pass-through cache; 0 fetches anew every time. @default 256 MB */
    readonly cache: number
    /** Age at which the cache lets go. @default 1 h */
    readonly cacheAge: number
    /** `pool`: serve what the pool wants. `any`: also fetch any CID for anybody. @default pool */
    readonly scope: 'pool' | 'any'
    readonly variantKey?: string | undefined
    readonly trustProxy: readonly string[]
    readonly clientRequests: number
  }
  readonly pool: {
    /** Name of the pool made at the first start. @default the host's name */
    readonly name?: string | undefined
    /** Copies wished for when a put does not say. @default the pool's own default */
    readonly copies?: number | undefined
    /** Copies, ours included, promised by receipts before a put is acknowledged. @default the pool's */
    readonly ackCopies?: number | undefined
    /** How long a put waits for them. @default the pool's (3 s) */
    readonly ackWait?: number | undefined
    /** When they did not come: accept the put and say how many there are, or refuse it. @default accept */
    readonly ackWhenShort: 'accept' | 'refuse'
    /** Copies this node makes for the pool at once. 0: none of its own accord; it still takes what is offered. @default 4 */
    readonly repairs?: number | undefined
    /** Runs every delay of the pool this many times faster. For demonstrations and tests only. @default 1 */
    readonly timeScale: number
  }
}

/** A stage that holds no window of a streamed upload is none. */
const stageBytesMin = 16e6

const sections = {
  node: z.strictObject({
    class: z.enum(['server', 'home']).default('server'),
    zone: z.string().trim().min(1).max(64).optional(),
    keep: bytes('node.keep').default(50e9),
    scrubPeriod: duration('node.scrubPeriod')
      .refine((ms) => ms >= 1000, 'shorter than a second')
      .optional(),
    scrubRate: bytes('node.scrubRate')
      .refine((rate) => rate > 0, 'a check that reads nothing finds nothing')
      .optional(),
    stage: bytes('node.stage')
      .refine((size) => size === 0 || size >= stageBytesMin, 'a stage is 0 or at least 16MB')
      .optional(),
    logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('warn')
  }),
  network: z.strictObject({
    listen: z.array(address).max(16).default(['/ip4/0.0.0.0/tcp/4420', '/ip6/::/tcp/4420']),
    announce: z.array(address).max(16).default([]),
    bootstrap: z.array(address).max(64).default([]),
    mdns: z.boolean().default(true),
    provide: z.boolean().default(true)
  }),
  http: z.strictObject({
    host: z.string().min(1).max(255).default('127.0.0.1'),
    port: z.number().int().min(0).max(65535).default(8420),
    url: z.url({ protocol: /^https?$/ }).optional(),
    uploadMax: bytes('http.uploadMax').default(5e9),
    cache: bytes('http.cache').default(256e6),
    cacheAge: duration('http.cacheAge').default(3_600_000),
    scope: z.enum(['pool', 'any']).default('pool'),
    trustProxy: z.array(z.string().min(1).max(64)).max(16).default(['loopback']),
    clientRequests: z.number().int().min(0).max(1_000_000).default(1200),
    variantKey: z.string().min(16).max(256).optional()
  }),
  pool: z.strictObject({
    name: z.string().trim().min(1).max(64).optional(),
    copies: copies.optional(),
    ackCopies: copies.optional(),
    ackWait: duration('pool.ackWait').optional(),
    ackWhenShort: z.enum(['accept', 'refuse']).default('accept'),
    repairs: z.number().int().min(0).max(64).optional(),
    timeScale: z.number().min(1).max(100_000).default(1)
  })
}

const schema = z.strictObject({
  node: sections.node
    .prefault({})
    .transform((node) => ({ ...node, stage: node.stage ?? (node.keep === 0 ? defaults.stageBytes : 0) })),
  network: sections.network.prefault({}),
  http: sections.http.prefault({}),
  pool: sections.pool.prefault({})
})

/** One override as typed: `http.port=8421`. */
export type Override = readonly [key: string, value: unknown]

export const configFileName = 'config.toml'

/**
 * Reads the config of a data folder; an absent file is an empty one.
 * @throws InvalidInputError naming file, key, what is wrong and what was perhaps meant.
 */
export async function readConfig(dataFolder: string, overrides: readonly Override[] = []): Promise<Config> {
  const path = join(dataFolder, configFileName)
  const given = await readToml(path)
  for (const [key, value] of overrides) assign(given, key, value)
  return resolveConfig(given, path)
}

export function resolveConfig(given: unknown, source: string): Config {
  try {
    const result = schema.safeParse(given)
    if (result.success) return result.data
    throw new InvalidInputError(`${source}: ${explain(result.error.issues[0])}`)
  } catch (err) {
    // A size or duration that does not parse is thrown by its reader, with the key in the sentence.
    if (err instanceof InvalidInputError && !err.message.startsWith(source)) {
      throw new InvalidInputError(`${source}: ${err.message}`, { cause: err })
    }
    throw err
  }
}

/** Reads `key=value` of `--set`; the value is TOML, or a plain string when it is none. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=')
  const key = at === -1 ? '' : text.slice(0, at).trim()
  if (!/^[A-Za-z]+\.[A-Za-z]+$/.test(key)) {
    throw new InvalidInputError(
      `“${text.slice(0, 80)}” is not a setting: write it like --set http.port=8421.`
    )
  }
  const value = text.slice(at + 1).trim()
  try {
    return [key, parse(`value = ${value}`)['value']]
  } catch {
    // Not TOML: a bare word like `home` or `50GB`, which is what a shell user types.
    return [key, value]
  }
}

async function readToml(path: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > defaults.configBytesMax) {
      throw new InvalidInputError(
        `${path} is larger than ${defaults.configBytesMax} bytes: it cannot be a config file.`
      )
    }
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return {}
    if (err instanceof TypeError) throw new InvalidInputError(`${path} is not UTF-8 text.`, { cause: err })
    throw err
  }
  try {
    return parse(text)
  } catch (err) {
    if (!(err instanceof TomlError)) throw err
    throw new InvalidInputError(`${path}, line ${err.line}, is not TOML: ${firstLine(err.message)}`, {
      cause: err
    })
  }
}

function assign(given: Record<string, unknown>, key: string, value: unknown): void {
  const [section = '', name = ''] = key.split('.')
  const table = given[section] ?? {}
  if (typeof table !== 'object')
    throw new InvalidInputError(`“${section}” is a section of the config, not a value.`)
  given[section] = { ...table, [name]: value }
}

function explain(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'the config is not valid.'
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = path.length === 0 ? Object.keys(schema.shape) : keysOf(path[0] ?? '')
    const meant = nearest(key, known)
    const where = [...path, key].join('.')
    return `there is no setting “${where}”${meant === undefined ? `; there are ${known.join(', ')}.` : `. Did you mean “${[...path, meant].join('.')}”?`}`
  }
  return `the setting “${path.join('.')}” is not valid: ${firstLine(issue.message)}.`
}

function keysOf(section: string): string[] {
  return Object.hasOwn(sections, section) ? Object.keys(sections[section as keyof typeof sections].shape) : []
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}

/** What `init` writes: every setting, commented out, with its default. */
export const configTemplate = `# Commonhold: settings of this node. Everything here is optional; what is commented out shows the default.
# Restart the node after a change. Explanations: docs/cli.md

[node]
# class = "server"             # "home" for a machine that sleeps: others then keep two copies more
# zone = "berlin"              # where it stands; copies are spread over zones where known
# keep = "50GB"                # space offered to the pool; "0" keeps nothing for others
# stage = "0"                  # beyond it, for own uploads until keepers have them; "1GB" when keep is 0
# scrubPeriod = "14d"          # every stored block is read and checked once in this time
# scrubRate = "16MiB"          # at most so many bytes per second for that
# logLevel = "warn"            # debug, info, warn, error, silent

[network]
# listen = ["/ip4/0.0.0.0/tcp/4420", "/ip6/::/tcp/4420"]
# announce = []                # addresses to tell others instead, behind a port forwarding
# bootstrap = []               # peers to meet the network by
# mdns = true                  # find nodes on the same local network
# provide = true               # tell the DHT what is here

[http]
# host = "127.0.0.1"           # put a reverse proxy with TLS before it to serve the world
# port = 8420
# url = "https://media.example.org"
# uploadMax = "5GB"
# cache = "256MB"              # bounds of the pass-through cache; "0" fetches anew every time
# cacheAge = "1h"
# variantKey = "16 characters or more" # signs scaled pictures of other sizes than the listed ones
# trustProxy = ["loopback"]    # whose X-Forwarded-For is believed
# clientRequests = 1200        # a minute, of one client; 0 for no limit
# scope = "pool"               # "any": also fetch any CID for anybody

[pool]
# name = "my pool"             # of the pool made at the first start
# copies = 3                   # wished for when a put does not say
# ackCopies = 2                # promised before a put is acknowledged, ours included
# ackWait = "3s"
# ackWhenShort = "accept"      # or "refuse"
# repairs = 4                  # copies made for the pool at once; 0 on a line that must stay quiet
`

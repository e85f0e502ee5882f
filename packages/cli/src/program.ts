// The tree of commands: names, arguments, options and one line each. What a command does is in
// commands/, loaded only when it is called.

import { Command, InvalidArgumentError, Option } from 'commander'
import type { Environment } from './environment.ts'
import { openSession, type Session } from './session.ts'
import { version } from './version.ts'

export interface ProgramContext {
  readonly environment: Environment
  readonly json: boolean
  readonly signal: AbortSignal
}

/** What a pool's charter and a wish can say; formats bound it. */
const copiesMax = 32

/** Each command knows the type of its own options; the tree below is what makes it true. */
type Run = (session: Session, args: readonly string[], options: never) => Promise<void>

export function createProgram(context: ProgramContext): Command {
  const program = new Command('commonhold')
    .description('A co-operative media store: keeps your pictures at several operators, and proves it.')
    .version(version, '-V, --version', 'print the version')
    .option(
      '--data <folder>',
      'data folder of the node (default: $COMMONHOLD_DATA or ~/.local/share/commonhold)'
    )
    .option('--json', 'print JSON instead of text')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    // main.ts says what went wrong, in one place and in one form.
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nA new node:   commonhold start        then, in a second terminal:   commonhold add photo.jpg --copies 1'
    )

  /** Hooks a lazily loaded command into the tree. */
  const runs =
    (load: () => Promise<{ run: Run }>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command
      const options = command.optsWithGlobals()
      using session = openSession(context, options['data'] as string | undefined)
      const { run } = await load()
      await run(session, command.args, options as never)
    }

  const copies = (): Option =>
    new Option('--copies <n>', 'keep at least this many copies').argParser(wholeNumber(1, copiesMax))
  const visibility = (): Option =>
    new Option('--visibility <who>', 'who may read it').choices(['public', 'members'])

  program
    .command('init')
    .description('make keys, data folder and config file without starting anything')
    .action(runs(() => import('./commands/init.ts')))
  program
    .command('start')
    .description('run a node and its bridge until Ctrl-C')
    .option('--keep <size>', 'space offered to the pool, like 50GB; 0 keeps nothing for others')
    .option('--stage <size>', 'space beyond it for own uploads until keepers have them, like 1GB')
    .option('--http <host:port>', 'address of the bridge')
    .option('--listen <multiaddr...>', 'addresses to listen on for other nodes')
    .option('--set <key=value...>', 'override a setting of config.toml, like http.cache=1GB')
    .action(runs(() => import('./commands/start.ts')))
  program
    .command('join')
    .description('join the pool of the node at this address; starts a node when none is running')
    .argument('<multiaddr>', 'an address that `commonhold peers` prints on the other side')
    .option('--keep <size>', 'space offered to the pool, like 50GB')
    .option('--set <key=value...>', 'override a setting of config.toml, when this starts the node')
    .action(runs(() => import('./commands/join.ts')))

  program
    .command('leave')
    .description('take this node out of its pool once others have proven each of its copies')
    .option('--now', 'at once, whatever only this node has')
    .option('--cancel', 'stay after all')
    .action(runs(() => import('./commands/leave.ts')))

  program
    .command('add')
    .description('store files and have the pool keep copies of them')
    .argument('<paths...>', 'files, folders (one object per file), or - for standard input')
    .addOption(copies())
    .addOption(visibility())
    .option('--wait', 'wait until the copies exist and are proven')
    .action(runs(() => import('./commands/add.ts')))
  program
    .command('import')
    .description(
      'store the files, folders and documents of CAR archives and have the pool keep copies of them'
    )
    .argument('<paths...>', 'CAR files, or - for standard input')
    .addOption(copies())
    .addOption(visibility())
    .action(runs(() => import('./commands/import.ts')))
  program
    .command('get')
    .description('fetch an object, from wherever it is')
    .argument('<name>', 'CID or sha256')
    .option('-o, --output <file>', 'write to this file instead of standard output')
    .option('--range <from-to>', 'only these bytes, both ends included, like 0-1023')
    .action(runs(() => import('./commands/get.ts')))

  const pin = program.command('pin').description('what this node asks the pool to keep')
  pin
    .command('add')
    .description('ask the pool to keep an object it can find')
    .argument('<name>', 'CID or sha256')
    .addOption(copies())
    .addOption(visibility())
    .action(runs(() => import('./commands/pin-add.ts')))
  pin
    .command('rm')
    .description('withdraw the wishes of this node')
    .argument('<names...>', 'CIDs or sha256')
    .action(runs(() => import('./commands/pin-rm.ts')))
  pin
    .command('ls')
    .description('list what the pool is asked to keep')
    .option('--own', 'only the wishes of this node')
    .action(runs(() => import('./commands/pin-ls.ts')))
  pin
    .command('status')
    .description('show where the copies of an object are, and when each was last proven')
    .argument('<name>', 'CID or sha256')
    .action(runs(() => import('./commands/pin-status.ts')))

  program
    .command('status')
    .description('show the health of the pool')
    .option('-w, --watch', 'keep showing it, every two seconds')
    .option('--at-risk', 'list the objects below their promised copies, worst first')
    .option('--member <node>', 'show what one member made of our challenges')
    .action(runs(() => import('./commands/status.ts')))
  program
    .command('why')
    .description(
      'explain the copies of one object: who should hold it, who does, what this node does about it'
    )
    .argument('<name>', 'CID or sha256')
    .action(runs(() => import('./commands/why.ts')))
  program
    .command('peers')
    .description('show own addresses and connected peers')
    .action(runs(() => import('./commands/peers.ts')))
  program
    .command('prove')
    .description('challenge every holder of an object now, and show who answered')
    .argument('<name>', 'CID or sha256')
    .action(runs(() => import('./commands/prove.ts')))

  const pool = program.command('pool').description('the operators who keep each other’s objects')
  pool
    .command('show', { isDefault: true })
    .description('show the pool this node is in')
    .action(runs(() => import('./commands/pool-show.ts')))
  pool
    .command('create')
    .description('found a pool of this node’s own, and move into it')
    .argument('<name>')
    .addOption(
      new Option('--admission <rule>', 'whose copies count: everybody’s, or those vouched for')
        .choices(['open', 'vouch'])
        .default('open')
    )
    .addOption(
      new Option('--copies <n>', 'copies kept when a put does not say')
        .argParser(wholeNumber(1, copiesMax))
        .default(3)
    )
    .addOption(
      new Option('--group-bits <k>', '2^k units of placement; 16 when more than 1,000 nodes are expected')
        .argParser(wholeNumber(4, 16))
        .default(12)
    )
    .action(runs(() => import('./commands/pool-create.ts')))
  pool
    .command('set')
    .description('change the rules of the pool, as an administrator')
    .addOption(
      new Option('--copies <n>', 'copies kept when a put does not say').argParser(wholeNumber(1, copiesMax))
    )
    .action(runs(() => import('./commands/pool-set.ts')))
  pool
    .command('admit')
    .description('admit an operator, as administrator, or vouch for one')
    .argument('<operator>', 'operator id (z6Mk…)')
    .action(runs(() => import('./commands/pool-admit.ts')))
  pool
    .command('members')
    .description('list the member nodes')
    .action(runs(() => import('./commands/pool-members.ts')))

  const token = program.command('token').description('bearer tokens for the bridge')
  token
    .command('add')
    .description('make a token; it is shown once')
    .argument('<name>', 'a label to remember it by')
    .addOption(
      new Option('--scope <scopes...>', 'what it allows')
        .choices(['upload', 'delete', 'read', 'metrics'])
        .default(['upload'])
    )
    .option('--expires <duration>', 'until when, from now, like 90d')
    .action(runs(() => import('./commands/token-add.ts')))
  token
    .command('ls')
    .description('list tokens')
    .action(runs(() => import('./commands/token-ls.ts')))
  token
    .command('rm')
    .description('revoke a token')
    .argument('<name>')
    .action(runs(() => import('./commands/token-rm.ts')))

  const key = program.command('key').description('the keys of this node and its operator')
  key
    .command('show', { isDefault: true })
    .description('show the public names')
    .action(runs(() => import('./commands/key-show.ts')))
  key
    .command('export')
    .description('print the private keys as one text: keep it secret, keep it safe')
    .option('-o, --output <file>', 'write to this file (mode 0600) instead of standard output')
    .action(runs(() => import('./commands/key-export.ts')))
  key
    .command('import')
    .description('take over exported keys, into a data folder that has none')
    .argument('[file]', 'file with the text, or - for standard input', '-')
    .action(runs(() => import('./commands/key-import.ts')))

  const deny = program.command('deny').description('what this node refuses to store, serve, fetch and prove')
  deny
    .command('add', { isDefault: true })
    .description('deny an object at every door')
    .argument('<name>', 'CID or sha256')
    .option('--reason <sentence>', 'why, for those who ask', 'denied by the operator')
    .option('--now', 'erase its bytes here at once, as a legal order asks; no undo brings them back')
    .action(runs(() => import('./commands/deny-add.ts')))
  deny
    .command('ls')
    .description('list denials')
    .action(runs(() => import('./commands/deny-ls.ts')))
  deny
    .command('rm')
    .description('undo a denial')
    .argument('<name>', 'CID or sha256')
    .action(runs(() => import('./commands/deny-rm.ts')))

  program
    .command('doctor')
    .description('look for what keeps the node from doing its work')
    .action(runs(() => import('./commands/doctor.ts')))
  program
    .command('version')
    .description('print the version')
    .action(runs(() => import('./commands/version.ts')))
  return program
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`)
    return value
  }
}

/**
 * `it-grid/cli`: the command line `npx it-grid` as a function, for programs that have it as a part of theirs, and for specs.
 *
 * `main.ts` gives it the process. Every command is a guest of the hosts that it looks into: a user of the public API.
 */

import { readFileSync } from 'node:fs'
import { bench } from './bench.ts'
import { call } from './call.ts'
import type { Command, InputStream } from './command.ts'
import { doctor } from './doctor.ts'
import { doorOptions, openDoor } from './door.ts'
import { tellError } from './errors.ts'
import { BrokenPipe, exitCodeOf, exitCodes, UsageError } from './exit.ts'
import { commandHelp, commonOptions, findCommand, generalHelp } from './help.ts'
import { inspect } from './inspect.ts'
import { firstOf } from './link.ts'
import { locks } from './locks.ts'
import { handlers, hosts } from './look.ts'
import { type OptionSpecs, parse } from './options.ts'
import { Output, type OutputStream } from './output.ts'
import { ping } from './ping.ts'
import { printable } from './text.ts'
import { top } from './top.ts'
import { trace } from './trace.ts'

export type { InputStream } from './command.ts'
export { exitCodes } from './exit.ts'
export type { OutputStream } from './output.ts'

export interface CommandLineInit {
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Of the variables, those that begin with `IT_GRID_`, and `NO_COLOR`, `FORCE_COLOR`, `TERM` are read. */
  readonly env: NodeJS.ProcessEnv
  /** Ends the command: calls are cancelled, and what was printed is complete, unless `stdout` does not take it within 500 ms. */
  readonly signal: AbortSignal
}

const commands: readonly Command[] = [call, handlers, hosts, ping, top, trace, locks, bench, inspect, doctor]

/**
 * Runs one command line, without the name of the program.
 *
 * @returns the exit code; `exitCodes` names them
 * @throws nothing: errors are told on `stderr`
 */
export async function runCommandLine(args: readonly string[], init: CommandLineInit): Promise<number> {
  const { stdout, stderr, env, signal } = init
  const isPlain = args.includes('--no-color')
  const colours = isPlain ? { ...env, NO_COLOR: '1' } : env
  const [out, err] = [new Output(stdout, colours, signal), new Output(stderr, colours, signal)]
  try {
    return await run(args, init, out, err)
  } catch (error) {
    const code = exitCodeOf(error)
    const isQuiet = error instanceof BrokenPipe || init.signal.aborted
    if (!isQuiet) await tellError(error, err, args.includes('--json')).catch(() => undefined)
    return init.signal.aborted ? exitCodeOf(init.signal.reason) : code
  }
}

async function run(args: readonly string[], init: CommandLineInit, out: Output, err: Output): Promise<number> {
  const { env, stdin, signal } = init
  const [name = '', ...rest] = args
  if (name === '--version' || name === '-V') return await told(out, [versionOf()])
  if (name === '') {
    await err.lines(generalHelp(commands))
    return exitCodes.usage
  }
  if (name === '-h' || name === '--help' || name === 'help') return await help(rest, out)
  if (name.startsWith('-'))
    throw new UsageError(`the command comes first, and ${printable(name)} after it; --help lists all`)
  const command = findCommand(name, commands)
  const specs: OptionSpecs = { ...command.options, ...doorOptions, ...commonOptions }
  if (asksForHelp(rest)) return await help([name], out)
  const { options, positionals } = parse(rest, specs, env)
  const until = firstOf(signal, out.gone)
  const door = await openDoor(options, env, err, until)
  const { comer } = door
  const dial = (host: string, own = until) => door.dial(host, AbortSignal.any([own, until]))
  const code = await command.run({ options, args: positionals, stdin, out, err, signal: until, comer, dial })
  return code ?? exitCodes.ok
}

/** Before `--`; what follows is no option. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? args.length : end).some((each) => each === '--help' || each === '-h')
}

async function help([name]: readonly string[], out: Output): Promise<number> {
  if (name === undefined || name.startsWith('-')) return await told(out, generalHelp(commands))
  return await told(out, commandHelp(findCommand(name, commands), { ...doorOptions, ...commonOptions }))
}

async function told(out: Output, lines: readonly string[]): Promise<number> {
  await out.lines(lines)
  return exitCodes.ok
}

/** Of the package, which is three folders up from the sources and from what is built of them. */
function versionOf(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  return String(version)
}

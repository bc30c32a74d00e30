/** The texts of `--help`. */

import type { Command } from './command.ts'
import { UsageError } from './exit.ts'
import type { OptionSpecs } from './options.ts'
import { nearest, printable } from './text.ts'

/** Of every command. */
export const commonOptions: OptionSpecs = {
  json: { help: 'print JSON: one value, or one a line where it is live; errors too' },
  'no-color': { help: 'no colours; as NO_COLOR does' },
  help: { short: 'h', help: 'this text' }
}

export function generalHelp(commands: readonly Command[]): string[] {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return [
    'it-grid looks into a running grid, and calls its handlers, as a guest.',
    '',
    'Usage: it-grid COMMAND [HOST] [arguments] [options]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'A HOST is the name of a server, such as http://node-1:9000. It may be left out with --host or IT_GRID_HOST.',
    'The servers must let guests in (option guests of the Manager), and look-ups need introspection with a rule that admits them.',
    '',
    'it-grid COMMAND --help tells of a command, it-grid --version which version this is.'
  ]
}

export function commandHelp({ name, summary, usage, about, options }: Command, common: OptionSpecs): string[] {
  const own = Object.keys(options).length === 0 ? [] : ['', 'Options:', ...optionLines(options)]
  const shared = ['', 'Options of all commands:', ...optionLines(common)]
  return [`it-grid ${name}: ${summary}`, '', `Usage: it-grid ${name} ${usage} [options]`, '', about, ...own, ...shared]
}

/** @throws {UsageError} with the one that was probably meant */
export function findCommand(name: string, commands: readonly Command[]): Command {
  const found = commands.find((each) => each.name === name)
  if (found !== undefined) return found
  const names = commands.map((each) => each.name)
  const near = nearest(name, names)
  const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`
  throw new UsageError(`there is no command "${printable(name)}": ${hint}`)
}

function optionLines(specs: OptionSpecs): string[] {
  const rows = Object.entries(specs).map(([name, { value, short, env, help }]) => {
    const flag = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
    return { flag, help: env === undefined ? help : `${help} [${env}]` }
  })
  const width = Math.max(...rows.map(({ flag }) => flag.length))
  return rows.map(({ flag, help }) => `  ${flag.padEnd(width)}  ${help}`)
}

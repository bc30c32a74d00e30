/** The command lines of the benchmarks: wrong ones are answered with the right ones, and exit code 2. */

import { parseArgs } from 'node:util'
import { messageOf } from './commands.ts'

type Defaults = Readonly<Record<string, string | number | boolean>>
type Value<Default> = Default extends number ? number : Default extends boolean ? boolean : string

/** The given options over the defaults: a whole number from 1 where the default is a number, otherwise text or a switch. */
export function optionsOf<Given extends Defaults>(defaults: Given): { [Name in keyof Given]: Value<Given[Name]> } {
  const given = parse(defaults)
  const values = Object.entries(defaults).map(([name, value]) => {
    const text = given[name] ?? value
    if (typeof value !== 'number') return [name, text]
    const number = Number(text)
    if (Number.isInteger(number) && number > 0) return [name, number]
    return refuse(`--${name} must be a whole number above 0, not ${text}`)
  })
  return Object.fromEntries(values)
}

function parse(defaults: Defaults): Readonly<Record<string, unknown>> {
  const entries = Object.entries(defaults)
  const types = entries.map(([name, value]) => [name, { type: typeof value === 'boolean' ? 'boolean' : 'string' }])
  try {
    return parseArgs({ options: Object.fromEntries(types) }).values
  } catch (error) {
    const known = entries.map(([name, value]) => `--${name} (default ${value || 'none'})`)
    return refuse(`${messageOf(error)}\noptions: ${known.join(', ')}`)
  }
}

/**
 * Those of `names` that the words of `list` stand for; all of them when it is empty. A word is a name, or a group. Where there are
 * no groups it is also what names begin with.
 */
export function selectionOf(
  list: string,
  names: readonly string[],
  groups?: Readonly<Record<string, readonly string[]>>
): string[] {
  if (list === '') return [...names]
  const wanted = list.split(',').map((word) => word.trim())
  const isIn = (name: string, word: string) => (groups ? groups[word]?.includes(name) : name.startsWith(`${word}-`))
  const matches = (name: string, word: string) => name === word || isIn(name, word)
  const unknown = wanted.filter((word) => !names.some((name) => matches(name, word)))
  const known = [...names, ...Object.keys(groups ?? {})]
  if (unknown.length > 0) refuse(`there is no ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  return names.filter((name) => wanted.some((word) => matches(name, word)))
}

/** The same of things that have ids. */
export function selected<Thing extends { readonly id: string }>(
  list: string,
  things: readonly Thing[],
  groups?: Readonly<Record<string, readonly string[]>>
): Thing[] {
  const names = things.map(({ id }) => id)
  const chosen = selectionOf(list, names, groups)
  return things.filter(({ id }) => chosen.includes(id))
}

export function refuse(text: string): never {
  console.error(text)
  process.exit(2)
}

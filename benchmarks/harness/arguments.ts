/** The command lines of the benchmarks: wrong ones are answered with the right ones, and exit code 2. */

import { type ParseArgsConfig, parseArgs } from 'node:util'

/** Something on the command line is wrong; the message says what would be right. */
export class UsageError extends Error {}

type Definitions = NonNullable<ParseArgsConfig['options']>

/** @throws {UsageError} with what `explain` makes of what is wrong */
export function parse<Options extends Definitions>(
  options: Options,
  args: readonly string[],
  explain: (problem: string) => string
): ReturnType<typeof parseArgs<{ options: Options }>>['values'] {
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new UsageError(explain((error as Error).message))
  }
}

/** @throws {UsageError} unless `text` is a whole number of at least 1 */
export function wholeNumber(text: string, explanation: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new UsageError(explanation)
}

type Defaults = Readonly<Record<string, string | number>>

/** The given options over the defaults: a whole number from 1 where the default is a number, otherwise text. */
export function optionsOf<Given extends Defaults>(
  defaults: Given
): { [Name in keyof Given]: Given[Name] extends number ? number : string } {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]))
  const known = Object.entries(defaults).map(([name, value]) => `--${name} (default ${value || 'none'})`)
  const explain = (problem: string) => `${problem}\noptions: ${known.join(', ')}`
  return orRefuse(() => {
    const given = parse(options, process.argv.slice(2), explain)
    const values = Object.entries(defaults).map(([name, value]) => {
      const text = given[name] ?? value
      if (typeof value === 'string') return [name, text]
      return [name, wholeNumber(String(text), `--${name} must be a whole number above 0, not ${text}`)]
    })
    return Object.fromEntries(values)
  })
}

/** Those of `names` that `only` lists, by their names or by what their names begin with; all of them when it is empty. */
export function selectionOf(only: string, names: readonly string[]): string[] {
  if (only === '') return [...names]
  const wanted = only.split(',')
  const matches = (name: string, wish: string) => name === wish || name.startsWith(`${wish}-`)
  const unknown = wanted.filter((wish) => !names.some((name) => matches(name, wish)))
  if (unknown.length > 0) refuse(`there is no ${unknown.join(', ')}; there are: ${names.join(', ')}`)
  return names.filter((name) => wanted.some((wish) => matches(name, wish)))
}

/** What `read` returns. What it throws is told, and ends the process with 2. */
export function orRefuse<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

export function refuse(text: string): never {
  console.error(text)
  process.exit(2)
}

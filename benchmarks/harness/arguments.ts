/** The command lines of the benchmarks: wrong ones are answered with the right ones, and exit code 2. */

import { parseArgs } from 'node:util'

/** The given options as text, over the defaults. */
export function optionsOf<Name extends string>(defaults: Readonly<Record<Name, string>>): Record<Name, string> {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]))
  try {
    return { ...defaults, ...(parseArgs({ options }).values as Partial<Record<Name, string>>) }
  } catch (error) {
    const known = Object.entries(defaults).map(([name, value]) => `--${name} (default ${value || 'none'})`)
    return refuse(`${error instanceof Error ? error.message : error}\noptions: ${known.join(', ')}`)
  }
}

/** @returns a whole number of at least 1 */
export function countOf(name: string, text: string): number {
  const count = Number(text)
  return Number.isInteger(count) && count > 0 ? count : refuse(`--${name} must be a whole number above 0, not ${text}`)
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

export function refuse(text: string): never {
  console.error(text)
  process.exit(2)
}

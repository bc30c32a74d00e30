/** Reads a command line: flags, their values, what the environment says, and what is wrong with them, in a sentence. */

import { parseArgs } from 'node:util'
import { UsageError } from './exit.ts'
import { nearest, printable } from './text.ts'

export interface OptionSpec {
  /** What stands for its value in the help; one without is a switch. */
  readonly value?: string
  readonly short?: string
  /** The variable of the environment that is read where the flag is not given. */
  readonly env?: string
  /** May be given several times. */
  readonly multiple?: boolean
  readonly help: string
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type Value = string | true | readonly string[]

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** The longest time that a timer can count. */
const maxMs = 2 ** 31 - 1

/** The flags of a run, read by their kind. */
export class Options {
  readonly #values: ReadonlyMap<string, Value>
  readonly #variables: ReadonlyMap<string, string>

  /** @param variables of the environment that those come from which were not given */
  constructor(values: ReadonlyMap<string, Value>, variables: ReadonlyMap<string, string>) {
    this.#values = values
    this.#variables = variables
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)
    return typeof value === 'string' ? value : undefined
  }

  texts(name: string): readonly string[] {
    const value = this.#values.get(name)
    return Array.isArray(value) ? value : []
  }

  /** In ms, of a time with its unit: of a number alone some would think that it is seconds, and some ms. */
  ms(name: string, leastMs = 0): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const [, digits = '', unit = ''] = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*$/i.exec(text) ?? []
    const value = Number(digits) * (units[unit.toLowerCase()] ?? Number.NaN)
    if (value > 0 && value >= leastMs && value <= maxMs) return value
    if (digits !== '' && unit === '')
      throw new UsageError(`${this.#label(name)} ${digits} has no unit: write ${digits}s or ${digits}ms`)
    const from = leastMs === 0 ? '' : `, from ${leastMs}ms`
    throw this.#wrong(name, `a time such as 500ms, 5s, 2m or 1h${from}, up to 24d`, text)
  }

  whole(name: string, least: number, most: number): number | undefined {
    return this.#number(name, `a whole number from ${least} to ${most}`, (value) => {
      return Number.isInteger(value) && value >= least && value <= most
    })
  }

  share(name: string): number | undefined {
    return this.#number(name, 'a number above 0 and up to 1', (value) => value > 0 && value <= 1)
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name)
    const found = allowed.find((each) => each === text)
    if (text === undefined || found !== undefined) return found
    throw this.#wrong(name, allowed.join(' or '), text)
  }

  #number(name: string, must: string, is: (value: number) => boolean): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (is(value)) return value
    throw this.#wrong(name, must, text)
  }

  #wrong(name: string, must: string, text: string): UsageError {
    return new UsageError(`${this.#label(name)} must be ${must}; it is "${printable(text)}"`)
  }

  /** Where it comes from. */
  #label(name: string): string {
    return this.#variables.get(name) ?? `--${name}`
  }
}

export interface Parsed {
  readonly options: Options
  readonly positionals: readonly string[]
}

/** Flags that would put a secret where others can read it: in the list of processes, in a history. */
const refusedFlags = new Set(['secret', 'password', 'token'])

/** A payload such as -5 is no flag: there are none of digits. */
const aNegative = /^-\.?\d/
/** Stands before one while the line is parsed; no argument can have it. */
const negativeMark = '\0'

function unmarked<T extends string | undefined>(value: T): T {
  return (value?.startsWith(negativeMark) === true ? value.slice(negativeMark.length) : value) as T
}

/** @throws {UsageError} */
export function parse(args: readonly string[], specs: OptionSpecs, env: NodeJS.ProcessEnv): Parsed {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value, short, multiple = false }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple, ...(short && { short }) }
    ])
  )
  const marked = args.map((each) => (aNegative.test(each) ? `${negativeMark}${each}` : each))
  const { tokens } = parseArgs({ args: marked, options, strict: false, tokens: true, allowPositionals: true })
  const values = fromEnvironment(specs, env)
  const given = new Map<string, Value>()
  for (const token of tokens)
    if (token.kind === 'option') take({ ...token, value: unmarked(token.value) }, specs, given)
  const variables = new Map([...values.keys()].map((name) => [name, specs[name]?.env ?? '']))
  for (const [name, value] of given) {
    values.set(name, value)
    variables.delete(name)
  }
  const positionals = tokens.flatMap((token) => (token.kind === 'positional' ? [unmarked(token.value)] : []))
  return { options: new Options(values, variables), positionals }
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function take(
  { name, rawName, value, inlineValue }: OptionToken,
  specs: OptionSpecs,
  values: Map<string, Value>
): void {
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
  if (refusedFlags.has(name)) {
    const why = 'a value on the command line can be read by every user of the machine, and stays in histories'
    throw new UsageError(`--${name} is not taken: ${why}. Write it into a file and give that: --secret-file FILE`)
  }
  if (spec === undefined) throw new UsageError(`there is no option ${printable(rawName)}${meant(name, specs)}`)
  if (spec.value === undefined) {
    if (value !== undefined) throw new UsageError(`--${name} takes no value`)
    values.set(name, true)
    return
  }
  if (value === undefined || (inlineValue !== true && /^-./.test(value))) {
    throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`)
  }
  if (spec.multiple === true) {
    const before = values.get(name)
    values.set(name, [...(Array.isArray(before) ? before : []), value])
  } else if (values.has(name)) throw new UsageError(`--${name} is given twice`)
  else values.set(name, value)
}

function meant(name: string, specs: OptionSpecs): string {
  const near = nearest(name, Object.keys(specs))
  return near === undefined ? '; --help lists all' : `; did you mean --${near}?`
}

function fromEnvironment(specs: OptionSpecs, env: NodeJS.ProcessEnv): Map<string, Value> {
  const values = new Map<string, Value>()
  for (const [name, spec] of Object.entries(specs)) {
    const text = spec.env === undefined ? undefined : env[spec.env]
    if (text === undefined || text === '') continue
    if (spec.value !== undefined) values.set(name, text)
    else if (/^(1|true|yes)$/i.test(text)) values.set(name, true)
    else if (!/^(0|false|no)$/i.test(text))
      throw new UsageError(`${spec.env} must be 1 or 0; it is "${printable(text)}"`)
  }
  return values
}

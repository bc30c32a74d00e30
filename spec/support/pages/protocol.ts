/**
 * Reads docs/protocol.md for the specs: its examples in hex, its lines of varints, its tables, its headings.
 *
 * It says nothing of what the examples mean; that is for the specs to check.
 */

import { readFileSync } from 'node:fs'

/** The text of the page. */
export const page: string = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')

/** One block ```` ```hex <name> ````. */
export interface Example {
  readonly name: string
  readonly bytes: Uint8Array
  /** What stands behind `=`. */
  readonly meaning: Record<string, unknown>
  /** The line of the page where it begins. */
  readonly line: number
}

function fromHex(text: string, line: number): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`docs/protocol.md, line ${line}: not hex: ${text}`)
  return new Uint8Array(Buffer.from(digits, 'hex'))
}

function exampleOf(name: string, body: string, line: number): Example {
  const lines = body.split('\n')
  const meaning = lines.find((text) => text.startsWith('= '))
  if (meaning === undefined) throw new Error(`docs/protocol.md, line ${line}: an example without its meaning`)
  const hex = lines.filter((text) => text !== meaning).map((text) => text.replace(/#.*/, ''))
  return { name, bytes: fromHex(hex.join(''), line), meaning: JSON.parse(meaning.slice(2)), line }
}

/** All examples in hex, in the order of the page. */
export const examples: readonly Example[] = [...page.matchAll(/^```hex (\w+)\n([\s\S]*?)\n```$/gm)].map((match) => {
  const line = page.slice(0, match.index).split('\n').length
  return exampleOf(match[1] as string, match[2] as string, line)
})

/** The one example of this name, or the n-th. */
export function example(name: string, index = 0): Example {
  const found = examples.filter((candidate) => candidate.name === name)[index]
  if (found === undefined) throw new Error(`docs/protocol.md has no example "${name}" ${index}`)
  return found
}

/** The lines `value = bytes` of the block ```` ```varint ````. */
export function varintExamples(): { value: number; bytes: Uint8Array }[] {
  const body = /^```varint\n([\s\S]*?)\n```$/m.exec(page)?.[1] ?? ''
  return body.split('\n').map((line) => {
    const [value = '', hex = ''] = line.split('=')
    return { value: Number(value), bytes: fromHex(hex, 0) }
  })
}

/** The text under a heading, up to the next one of the same rank or a higher one. */
export function section(heading: string): string {
  const start = new RegExp(`^(#+) ${heading}$`, 'm').exec(page)
  if (start === null) throw new Error(`docs/protocol.md has no section "${heading}"`)
  const rest = page.slice(start.index + start[0].length)
  const end = new RegExp(`^#{1,${start[1]?.length}} `, 'm').exec(rest)
  return end === null ? rest : rest.slice(0, end.index)
}

/** The rows of the tables in a section, cells without their backticks; header and ruler rows included. */
export function rows(heading: string): string[][] {
  const lines = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim())
  )
}

/** All headings of the page. */
export function headings(): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] as string)
}

/**
 * Reads docs/protocol.md for the specs: its examples in hex, its lines of varints, and as any other page.
 *
 * It says nothing of what the examples mean; that is for the specs to check.
 */

import { MarkdownFile } from './markdown.ts'

export const page = new MarkdownFile('docs/protocol.md')

/** One block ```` ```hex <name> ````, or ```` ```<word> hex <name> ```` for sides that understand that word. */
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

/** All examples in hex, in the order of the page. */
export const examples: readonly Example[] = [...page.text.matchAll(/^```(?:\w+ )?hex (\w+)\n([\s\S]*?)\n```$/gm)].map(
  ({ index, 1: name = '', 2: body = '' }) => {
    const line = page.text.slice(0, index).split('\n').length
    const lines = body.split('\n')
    const meaning = lines.find((text) => text.startsWith('= '))
    if (meaning === undefined) throw new Error(`docs/protocol.md, line ${line}: an example without its meaning`)
    const hex = lines.filter((text) => text !== meaning).map((text) => text.replace(/#.*/, ''))
    return { name, bytes: fromHex(hex.join(''), line), meaning: JSON.parse(meaning.slice(2)), line }
  }
)

/** The one example of this name, or the n-th. */
export function example(name: string, index = 0): Example {
  const found = examples.filter((candidate) => candidate.name === name)[index]
  if (found === undefined) throw new Error(`docs/protocol.md has no example "${name}" ${index}`)
  return found
}

/** The lines `value = bytes` of the block ```` ```varint ````. */
export function varintExamples(): { value: number; bytes: Uint8Array }[] {
  const lines = page.code('varint').flatMap((body) => body.trimEnd().split('\n'))
  return lines.map((line) => {
    const [value = '', hex = ''] = line.split('=')
    return { value: Number(value), bytes: fromHex(hex, 0) }
  })
}

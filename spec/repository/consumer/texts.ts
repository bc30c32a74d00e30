/** Reads what the compiler says, and what the comments of `mistakes.ts` want it to say. */

export interface Mistake {
  readonly line: number
  /** The first line of it. */
  readonly code: string
  /** Parts of what the compiler must say: code and column first. */
  readonly wanted: readonly string[]
}

/** The mistakes of a source: each is the first line after comments that begin with the code of an error. */
export function readMistakes(source: string): Mistake[] {
  const mistakes: Mistake[] = []
  let wanted: string[] = []
  for (const [index, code] of source.split('\n').entries()) {
    const comment = /^\/\/ (?:(?<code>TS\d+) at (?<column>\d+): |\.\.\. )(?<text>.+)$/.exec(code)?.groups
    if (comment?.code !== undefined) wanted = [`${comment.code} at ${comment.column}: `]
    if (comment?.text !== undefined) wanted.push(comment.text)
    else if (wanted.length > 0) {
      mistakes.push({ line: index + 1, code, wanted })
      wanted = []
    }
  }
  return mistakes
}

export interface Diagnostic {
  readonly line: number
  /** `TS2554 at 6: ` and the text, with its explanation. */
  readonly text: string
}

/** What `tsc --pretty false` has printed. */
export function readDiagnostics(output: string): Diagnostic[] {
  const parts = output.split(/\n(?! )/).filter((part) => part !== '')
  return parts.map((part) => {
    const found = /^[^(]*\((?<line>\d+),(?<column>\d+)\): error (?<code>TS\d+): (?<text>[\s\S]*)$/.exec(part)?.groups
    if (found === undefined) return { line: 0, text: part }
    return { line: Number(found.line), text: `${found.code} at ${found.column}: ${found.text}` }
  })
}

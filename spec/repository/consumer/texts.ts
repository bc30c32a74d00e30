/** Reads what the compiler says, and what the comments of `mistakes.ts` want it to say. */

export interface Mistake {
  readonly line: number
  /** The first line of it. */
  readonly code: string
  /** Which of these codes depends on the version. */
  readonly codes: readonly string[]
  readonly column: number
  /** Parts of what the compiler must say. */
  readonly texts: readonly string[]
}

/** The mistakes of a source: each is the first line after comments that begin with the code of an error. */
export function readMistakes(source: string): Mistake[] {
  const mistakes: Mistake[] = []
  let codes: string[] = []
  let texts: string[] = []
  let column = 0
  for (const [index, code] of source.split('\n').entries()) {
    const comment = /^\/\/ (?:(?<codes>TS.*) at (?<column>\d+): |\.\.\. )(?<text>.+)$/.exec(code)?.groups
    if (comment?.codes !== undefined) {
      codes = comment.codes.split(' or ')
      column = Number(comment.column)
    }
    if (comment?.text !== undefined) texts.push(comment.text)
    else if (texts.length > 0) {
      mistakes.push({ line: index + 1, code, codes, column, texts })
      texts = []
    }
  }
  return mistakes
}

export interface Diagnostic {
  readonly line: number
  readonly column: number
  readonly code: string
  /** With its explanation. */
  readonly text: string
}

/** What `tsc --pretty false` has printed. */
export function readDiagnostics(output: string): Diagnostic[] {
  const parts = output.split(/\n(?! )/).filter((part) => part !== '')
  return parts.map((part) => {
    const found = /^[^(]*\((?<line>\d+),(?<column>\d+)\): error (?<code>TS\d+): (?<text>[\s\S]*)$/.exec(part)?.groups
    const { line, column, code = '', text = part } = found ?? {}
    return { line: Number(line), column: Number(column), code, text }
  })
}

/** What differs from what the compiler must say of a source; none where it says that and no more. */
export function compareTexts(mistakes: readonly Mistake[], diagnostics: readonly Diagnostic[]): string[] {
  const faults = mistakes.flatMap((mistake) => {
    const [said, ...others] = diagnostics.filter(({ line }) => line === mistake.line)
    const { code, column, text } = said ?? { code: '', column: 0, text: '' }
    const isRight = others.length === 0 && mistake.codes.includes(code) && mistake.column === column
    if (isRight && mistake.texts.every((part) => text.includes(part))) return []
    return [`${mistake.code}\n  ${mistake.codes} at ${mistake.column} is not: ${code} at ${column}: ${text}`]
  })
  const others = diagnostics.filter(({ line }) => mistakes.every((mistake) => mistake.line !== line))
  return [...faults, ...others.map(({ line, code, text }) => `line ${line}, ${code}: ${text}`)]
}

/** A file to which processes append lines, of which any may be killed amid one. */

import { appendFileSync } from 'node:fs'

/** In no line. */
const end = '\t'

/** What a kill has cut off has no end, and does not join the next line, which begins by itself. */
export function appendLine(path: string, line: string): void {
  appendFileSync(path, `\n${line}${end}`)
}

/** Those that were written as a whole, in the order in which they were. */
export function wholeLines(log: string): string[] {
  const lines = log.split('\n').filter((line) => line.endsWith(end))
  return lines.map((line) => line.slice(0, -end.length))
}

/** Tables of text: columns as wide as what is in them, and on a terminal no wider than it is. Numbers are whole, or not there. */

import { fitNames } from './names.ts'
import type { Colour, Output } from './output.ts'
import { cut, printable, widthOf } from './text.ts'

export interface Column<Row> {
  readonly title: string
  read(row: Row): string
  readonly isNumber?: boolean
  /** Its cells are names, which may differ anywhere. */
  readonly isName?: boolean
  /** A part of it is of no use, as of a number. */
  readonly isWhole?: boolean
  colour?(row: Row): Colour | undefined
}

/** Between two columns. */
const gap = 2
/** No text gets narrower, so that one sees what it was, and no name. */
const least = { text: 6, name: 12 } as const
/** What is longer is no number, and no word that is known here. */
const mostWhole = 32
/** No column gets wider. What is longer is cut on a terminal; elsewhere it is whole, and does not fill all other lines with spaces. */
const most = 256

/** One line for the titles, and one for each row. Columns for which there is no room are left out, the last ones first. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[], out: Output): string[] {
  const cells = rows.map((row) => columns.map((column) => printable(column.read(row))))
  const titles = columns.map(({ title }) => printable(title))
  const widths = fitted(columns, widthsOf([titles, ...cells]), out.columns)
  for (const [at, width] of widths.entries()) {
    if (columns[at]?.isName !== true || !out.isTerminal) continue
    const shown = fitNames(
      cells.map((texts) => texts[at] ?? ''),
      width
    )
    for (const texts of cells) texts[at] = shown.get(texts[at] ?? '') ?? ''
  }
  const lineOf = (texts: readonly string[], colourOf: (column: Column<Row>) => Colour | undefined) =>
    widths
      .map((width, at) => {
        const column = columns[at] as Column<Row>
        const whole = texts[at] ?? ''
        const text = out.isTerminal ? cut(whole, width) : whole
        const space = ' '.repeat(Math.max(0, width - widthOf(text)))
        const painted = out.paint(text === '' ? undefined : colourOf(column), text)
        return column.isNumber === true ? space + painted : painted + space
      })
      .join(' '.repeat(gap))
      .trimEnd()
  const bodies = rows.map((row, index) => lineOf(cells[index] ?? [], (column) => column.colour?.(row)))
  return [lineOf(titles, () => 'dim'), ...bodies]
}

function widthsOf(lines: readonly (readonly string[])[]): number[] {
  const widths: number[] = []
  for (const line of lines) {
    for (const [at, text] of line.entries()) widths[at] = Math.max(widths[at] ?? 0, widthOf(text))
  }
  return widths
}

/** Leaves out what has no room, the last ones first, and takes what is still too much from the widest. */
function fitted(columns: readonly Column<never>[], whole: readonly number[], width: number): number[] {
  const leasts = columns.map(({ isNumber = false, isName = false, isWhole = isNumber }, at) => {
    const own = whole[at] ?? 0
    if (isWhole && own <= mostWhole) return own
    return Math.min(own, isName ? least.name : least.text)
  })
  const sum = (widths: readonly number[]) => widths.reduce((total, each) => total + each, gap * (widths.length - 1))
  let count = columns.length
  while (count > 1 && sum(leasts.slice(0, count)) > width) count--
  const left = whole.slice(0, count).map((each) => Math.min(each, most, width))
  while (sum(left) > width) {
    const [widest] = left
      .map((each, at) => ({ each, at }))
      .filter(({ each, at }) => each > (leasts[at] ?? 0) || count === 1)
      .sort((a, b) => b.each - a.each)
    if (widest === undefined) break
    left[widest.at] = widest.each - 1
  }
  return left
}

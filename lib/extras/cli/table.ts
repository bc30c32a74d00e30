/** Tables of text: columns as wide as what is in them, and on a terminal no wider than it is. */

import type { Colour, Output } from './output.ts'
import { cut, printable, widthOf } from './text.ts'

export interface Column<Row> {
  readonly title: string
  read(row: Row): string
  readonly isNumber?: boolean
  colour?(row: Row): Colour | undefined
}

/** Between two columns. */
const gap = 2
/** No column gets narrower, so that one sees what it was. */
const least = 6
/** No column gets wider. What is longer is cut on a terminal; elsewhere it is whole, and does not fill all other lines with spaces. */
const most = 256

/** One line for the titles, and one for each row. Columns for which there is no room are left out, the last ones first. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[], out: Output): string[] {
  const cells = rows.map((row) => columns.map((column) => printable(column.read(row))))
  const titles = columns.map(({ title }) => printable(title))
  const widths = fitted(widthsOf([titles, ...cells]), out.columns)
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

/** Takes what is too much from the widest. */
function fitted(widths: readonly number[], width: number): number[] {
  const left = widths.map((each) => Math.min(each, most, width))
  const over = () => left.reduce((sum, each) => sum + each, gap * (left.length - 1)) - width
  while (over() > 0 && left.length > 1) {
    const widest = Math.max(...left)
    if (widest > least) left[left.lastIndexOf(widest)] = widest - 1
    else left.pop()
  }
  return left
}

/** What all names have in common is left out: `http://` and `.test:9000` of `http://a.test:9000`. */
export function shortNames(hosts: readonly string[]): Map<string, string> {
  const [first = ''] = hosts
  const scheme = first.slice(0, first.indexOf('//') + 2)
  if (hosts.length < 2 || !hosts.every((host) => host.startsWith(scheme)))
    return new Map(hosts.map((host) => [host, host]))
  const names = hosts.map((host) => host.slice(scheme.length))
  let end = 0
  const [one = ''] = names
  while (end < one.length && names.every((name) => name.length > end + 1 && name.at(-1 - end) === one.at(-1 - end)))
    end++
  while (end > 0 && !/[.:]/.test(one.at(-end) ?? '')) end--
  return new Map(hosts.map((host, at) => [host, (names[at] ?? '').slice(0, (names[at] ?? '').length - end)]))
}

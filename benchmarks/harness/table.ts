/** Tables as Markdown, so that what a benchmark prints can go into a page as it is. */

export type Cell = string | number

export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [header, header.map(() => '---'), ...rows.map((row) => row.map(String))]
  const widths = widthsOf(cells)
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  return lines.join('\n')
}

/** Of the widest cell of each column; a row may be shorter than the first. */
export function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
}

/** Grouped thousands; decimals only where the number is small enough to need them. */
export function number(value: number, decimals = Math.abs(value) < 10 ? 1 : 0): string {
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

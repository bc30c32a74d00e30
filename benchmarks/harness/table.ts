/** Tables as Markdown, so that what a benchmark prints can go into a page as it is; and the median. */

export type Cell = string | number

export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [header, header.map(() => '---'), ...rows.map((row) => row.map(String))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  return lines.join('\n')
}

/** Grouped thousands; decimals only where the number is small enough to need them. */
export function number(value: number, decimals = Math.abs(value) < 10 ? 1 : 0): string {
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

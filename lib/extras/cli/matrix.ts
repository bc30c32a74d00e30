/** The matrix of `ping`: a row for what each server says of all others, on a terminal as wide as that is. */

import type { HostReport } from '../../index.ts'
import { colourOf } from './look.ts'
import type { Colour, Output } from './output.ts'
import { type Column, tableOf } from './table.ts'
import { ms } from './text.ts'

/** What came of asking one server. */
export interface Row {
  readonly host: string
  readonly rttMs?: number
  readonly instance?: string
  readonly error?: string
  readonly sees: readonly HostReport[]
}

/** Of a cell with a round trip, and between two cells. */
const cellWidth = 9
const gap = 2

/**
 * As far as there is room: with round trips; with a number for each server and a sign for each pair; or the servers
 * first, and then as many signs a line as there are columns.
 */
export function matrixOf(rows: readonly Row[], names: ReadonlyMap<string, string>, out: Output): string[] {
  const nameOf = (host: string) => names.get(host) ?? host
  const widest = Math.max(...rows.map(({ host }) => nameOf(host).length))
  const from: Column<Row> = { title: 'FROM', read: ({ host }) => nameOf(host), isName: true }
  const here: Column<Row> = {
    title: 'HERE',
    read: ({ rttMs, error }) => (error === undefined ? ms(rttMs) : 'no answer'),
    isNumber: true,
    colour: ({ error }) => (error === undefined ? undefined : 'red')
  }
  const cells = (title: (host: string, at: number) => string, read: (cell: Cell) => string) =>
    rows.map(({ host }, at): Column<Row> => {
      const cell = (row: Row) => cellOf(row, host)
      return {
        title: title(host, at),
        read: (row) => read(cell(row)),
        isNumber: true,
        colour: (row) => cell(row).colour
      }
    })
  const whole = rows.reduce(
    (sum, { host }) => sum + gap + Math.max(cellWidth, nameOf(host).length),
    widest + gap + cellWidth
  )
  if (whole <= out.columns) return tableOf([from, here, ...cells(nameOf, ({ text }) => text)], rows, out)
  const number: Column<Row> = { title: '#', read: (row) => String(rows.indexOf(row) + 1), isNumber: true }
  const digits = String(rows.length).length
  const least = digits + gap + Math.min(widest, 12) + gap + cellWidth
  if (least + rows.length * (gap + digits) <= out.columns) {
    const signs = cells(
      (_, at) => String(at + 1),
      ({ sign }) => sign
    )
    return tableOf([number, from, here, ...signs], rows, out)
  }
  return [...tableOf([number, from, here], rows, out), ...blocksOf(rows, digits, out)]
}

/** Lines of signs, of so many servers as there is room for; above each column is the last digit of its number. */
function blocksOf(rows: readonly Row[], digits: number, out: Output): string[] {
  const size = Math.max(10, Math.floor((out.columns - digits - gap) / 10) * 10)
  const lineOf = (label: string, texts: readonly string[]) =>
    `${label.padStart(digits)}${' '.repeat(gap)}${texts.join('')}`
  const blocks = Array.from({ length: Math.ceil(rows.length / size) }, (_, at) =>
    rows.slice(at * size, (at + 1) * size)
  )
  return blocks.flatMap((block) => {
    const first = rows.indexOf(block[0] as Row)
    const title = block.map((_, at) => String((first + at + 1) % 10))
    const lines = rows.map((row, at) => {
      const cells = block.map(({ host }) => cellOf(row, host))
      return lineOf(
        String(at + 1),
        cells.map(({ sign, colour }) => out.paint(colour, sign))
      )
    })
    return ['', out.paint('dim', lineOf('#', title)), ...lines]
  })
}

interface Cell {
  readonly text: string
  readonly sign: string
  readonly colour?: Colour
}

function cellOf(row: Row, to: string): Cell {
  if (row.host === to) return { text: '·', sign: '·', colour: 'dim' }
  if (row.error !== undefined) return { text: '?', sign: '?', colour: 'dim' }
  const seen = row.sees.find(({ host }) => host === to)
  if (seen === undefined) return { text: 'unknown', sign: '-', colour: 'yellow' }
  if (seen.state === 'connected') return { text: ms(seen.rttMs), sign: '+', colour: 'green' }
  return { text: seen.state, sign: 'x', colour: colourOf(seen.state) }
}

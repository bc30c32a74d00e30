/** `ping`: who reaches whom, as a matrix. Each server is asked for its own row, by a guest of its own. */

import type { HostReport } from '../../index.ts'
import type { Command, Run } from './command.ts'
import { exitCodes } from './exit.ts'
import { hostsOf } from './hosts.ts'
import { into } from './into.ts'
import { colourOf, lookMs } from './look.ts'
import type { Colour } from './output.ts'
import { type Column, shortNames, tableOf } from './table.ts'
import { ms, printable, textOf } from './text.ts'
import { toJson } from './values.ts'

export const ping: Command = {
  name: 'ping',
  summary: 'who reaches whom: a matrix of all servers, with round trips',
  usage: 'HOST [HOST ...]',
  about: `With one host, all servers that it knows are asked; with several, only those. A row is what one server says of the
others; "from here" is a round trip of this command. It fails (exit code 1) unless every server answers and every pair is
connected. Needs the option introspection at each host.

  it-grid ping http://node-1:9000`,
  options: {},
  run: runPing
}

/** What came of asking one server. */
interface Row {
  readonly host: string
  readonly rttMs?: number
  readonly instance?: string
  readonly error?: string
  readonly sees: readonly HostReport[]
}

/** Servers that are asked at once. */
const concurrency = 16

async function runPing(run: Run): Promise<number> {
  const [host, ...named] = hostsOf(run)
  const first = await ask(run, host)
  const known = named.length === 0 ? first.sees.map((each) => each.host) : named
  const others = [...new Set(known)].filter((each) => each !== host)
  const rows = [first, ...(await inTurn(others, (each) => askOrTell(run, each)))]
  const isWhole = rows.every(
    (row) => row.error === undefined && rows.every((other) => other === row || sees(row, other.host))
  )
  if (run.options.has('json')) await run.out.line(toJson({ isWhole, rows }))
  else await print(run, rows, isWhole)
  return isWhole ? exitCodes.ok : exitCodes.failed
}

function sees(row: Row, host: string): boolean {
  return row.sees.some((each) => each.host === host && each.state === 'connected')
}

async function ask(run: Run, host: string): Promise<Row> {
  await using guest = await run.dial(host)
  const look = into(guest, { signal: run.signal, timeout: lookMs })
  // The first one warms up what it goes through.
  await look.ping()
  const startMs = performance.now()
  const { instance } = await look.ping()
  const rttMs = Math.round((performance.now() - startMs) * 100) / 100
  return { host, rttMs, instance, sees: await look.hosts() }
}

/** One that is away is a row of its own. */
async function askOrTell(run: Run, host: string): Promise<Row> {
  try {
    return await ask(run, host)
  } catch (error) {
    run.signal.throwIfAborted()
    return { host, error: textOf(error), sees: [] }
  }
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T)
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker))
  return results
}

async function print({ out }: Run, rows: readonly Row[], isWhole: boolean): Promise<void> {
  const names = shortNames(rows.map(({ host }) => host))
  await out.lines(tableOf(columnsOf(rows, names, out.columns), rows, out))
  for (const { host, error } of rows) {
    if (error !== undefined) await out.line(`${out.paint('red', printable(host))}: ${printable(error)}`)
  }
  for (const row of rows) {
    for (const { host, state, lastError } of row.sees) {
      if (state === 'connected' || !names.has(host)) continue
      const why = lastError === undefined ? '' : `: ${printable(lastError)}`
      await out.line(
        `${printable(row.host)} → ${printable(host)} is ${out.paint(colourOf(state), printable(state))}${why}`
      )
    }
  }
  if (!isWhole) return
  const text = rows.length === 1 ? 'it is alone' : `all ${rows.length} are connected to each other`
  await out.line(out.paint('green', text))
}

/** Of a cell with a round trip. */
const cellWidth = 9

/** Where round trips have no room, each server has a number, and a cell is one sign. */
function columnsOf(rows: readonly Row[], names: ReadonlyMap<string, string>, width: number): Column<Row>[] {
  const nameOf = (host: string) => names.get(host) ?? host
  const widest = Math.max(...rows.map(({ host }) => nameOf(host).length))
  const isTight =
    widest + cellWidth + rows.reduce((sum, { host }) => sum + Math.max(cellWidth, nameOf(host).length + 2), 0) > width
  const from: Column<Row> = { title: 'FROM', read: ({ host }) => nameOf(host) }
  const here: Column<Row> = {
    title: 'HERE',
    read: ({ rttMs, error }) => (error === undefined ? ms(rttMs) : 'no answer'),
    isNumber: true,
    colour: ofRow
  }
  const number: Column<Row> = { title: '#', read: (row) => String(rows.indexOf(row) + 1), isNumber: true }
  const cells = rows.map(({ host: to }, at): Column<Row> => {
    const read = (row: Row) => (isTight ? cellOf(row, to).sign : cellOf(row, to).text)
    return {
      title: isTight ? String(at + 1) : nameOf(to),
      read,
      isNumber: true,
      colour: (row) => cellOf(row, to).colour
    }
  })
  return isTight ? [number, from, here, ...cells] : [from, here, ...cells]
}

function ofRow({ error }: Row): Colour | undefined {
  return error === undefined ? undefined : 'red'
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

/** `ping`: who reaches whom. Each server is asked for its own row, by a guest of its own. */

import type { Command, Run } from './command.ts'
import { exitCodes } from './exit.ts'
import { hostsOf } from './hosts.ts'
import { into } from './into.ts'
import { colourOf, lookMs } from './look.ts'
import { matrixOf, type Row } from './matrix.ts'
import { shortNames } from './names.ts'
import { printable, textOf } from './text.ts'
import { toJson } from './values.ts'

export const ping: Command = {
  name: 'ping',
  summary: 'who reaches whom: a matrix of all servers, with round trips',
  usage: 'HOST [HOST ...]',
  about: `With one host, all servers that it knows are asked; with several, only those. A row is what one server says of the
others; "from here" is a round trip of this command. It fails (exit code 1) unless every server answers and every pair is
connected. Needs the option introspection at each host, with a rule that admits this guest.

  it-grid ping http://node-1:9000`,
  options: {},
  run: runPing
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
  await out.lines(matrixOf(rows, names, out))
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

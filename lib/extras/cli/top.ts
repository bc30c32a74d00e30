/** `top`: what a server and its peers do now, redrawn in place, or one table or JSON value for each interval. */

import type { Command, Run } from './command.ts'
import { tellNote } from './errors.ts'
import { onlyHostOf } from './hosts.ts'
import { into } from './into.ts'
import { firstOf, follow, Link } from './link.ts'
import { colourOf } from './look.ts'
import type { Output } from './output.ts'
import { type PeerRow, Rates } from './rates.ts'
import { fitLine, Screen } from './screen.ts'
import { type Column, tableOf } from './table.ts'
import { age, bytes, megabytes, ms, printable, rate } from './text.ts'
import { toJson } from './values.ts'

export const top: Command = {
  name: 'top',
  summary: 'what a host and its peers do now: calls, bytes, open calls, queues, round trips',
  usage: 'HOST',
  about: `One line for each peer of the host. → is what the host calls and sends, ← what its peers do. Keys: q quits, s sorts by the
next column, r turns the order, p pauses. Where the output is no terminal there is a table for each interval.
Needs the option introspection at the host, with a rule that admits this guest.

  it-grid top http://node-1:9000
  it-grid top http://node-1:9000 --json --count 10`,
  options: {
    every: { value: 'TIME', help: 'between two samples, from 100ms; default 1s' },
    sort: { value: 'COLUMN', help: 'calls, bytes, open, queue, rtt or host; default calls' },
    count: { value: 'N', help: 'end after so many samples; on a terminal the last one stays' }
  },
  run: runTop
}

const orders = ['calls', 'bytes', 'open', 'queue', 'rtt', 'host'] as const
type Order = (typeof orders)[number]

const keyOf: Readonly<Record<Order, (row: PeerRow) => number>> = {
  calls: (row) => (row.callsOut ?? 0) + (row.callsIn ?? 0),
  bytes: (row) => (row.bytesOut ?? 0) + (row.bytesIn ?? 0),
  open: (row) => row.open,
  queue: (row) => row.queueBytes,
  rtt: (row) => row.rttMs ?? -1,
  host: () => 0
}

/** What the keys change. */
interface View {
  order: Order
  isTurned: boolean
  isPaused: boolean
  lost: Error | undefined
}

async function runTop(run: Run): Promise<undefined> {
  const { options, out, signal } = run
  const host = onlyHostOf(run)
  const everyMs = Math.round(options.ms('every', 100) ?? 1000)
  const count = options.whole('count', 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY
  const view: View = {
    order: options.oneOf('sort', orders) ?? 'calls',
    isTurned: false,
    isPaused: false,
    lost: undefined
  }
  const quit = new AbortController()
  const until = firstOf(signal, quit.signal)
  const rates = new Rates()
  const link = await new Link(host, run.dial).open()
  const isRedrawn = out.canRedraw && !options.has('json')
  const draw = () => screen?.draw(linesOf(rates, view, out))
  const screen = isRedrawn
    ? new Screen(out, run.stdin, (key) => onKey(key, view, draw, () => quit.abort()), draw)
    : undefined
  let samples = 0
  try {
    await screen?.open()
    const read = async () => {
      for await (const change of into(link).watch({ everyMs }, { signal: until })) {
        rates.take(change)
        view.lost = undefined
        if (screen === undefined) await printSample(run, rates, view)
        else if (!view.isPaused) draw()
        if (rates.hasRates && ++samples >= count) quit.abort()
      }
    }
    const onLost = (why: Error) => {
      view.lost = why
      if (screen === undefined) void tellNote(run, `lost ${host}: ${why.message}; it is dialed again`)
      else draw()
    }
    await follow(link, until, read, onLost)
  } catch (error) {
    if (!quit.signal.aborted) throw error
  } finally {
    await screen?.close()
    await link.close()
  }
  // Of the screen nothing is left, and who asks for so many samples wants to see them.
  if (screen !== undefined && samples >= count) await printSample(run, rates, view)
  return undefined
}

function onKey(key: string, view: View, draw: () => void, quit: () => void): void {
  if (key === 'q') return quit()
  if (key === 's') view.order = orders[(orders.indexOf(view.order) + 1) % orders.length] ?? 'calls'
  else if (key === 'r') view.isTurned = !view.isTurned
  else if (key === 'p' || key === ' ') view.isPaused = !view.isPaused
  draw()
}

/** The first sample has no rates, and is not told. */
async function printSample({ out, options }: Run, rates: Rates, view: View): Promise<void> {
  if (!rates.hasRates) return
  const { host, instance, at, busy } = rates
  const peers = sorted(rates.rows, view)
  if (options.has('json'))
    return await out.line(toJson({ at, host, instance, ...(busy === undefined ? {} : { busy }), peers }))
  await out.lines([fitLine(out, titleOf(rates)), ...tableOf(columnsOf(view.order), peers, out), ''])
}

function linesOf(rates: Rates, view: View, out: Output): string[] {
  const peers = sorted(rates.rows, view)
  const state =
    view.lost === undefined
      ? view.isPaused
        ? 'paused'
        : ''
      : `lost: ${printable(view.lost.message)}; it is dialed again`
  const keys = `q quit · s sort (${view.order}${view.isTurned ? ', least first' : ''}) · r turn · p pause`
  const table = tableOf(columnsOf(view.order), peers, out)
  const room = Math.max(2, out.rows - 3)
  const hidden = table.length - room
  const shown = hidden > 0 ? [...table.slice(0, room - 1), `… ${hidden + 1} more`] : table
  return [
    fitLine(out, titleOf(rates)),
    ...shown,
    out.paint('red', fitLine(out, state)),
    out.paint('dim', fitLine(out, keys))
  ]
}

function titleOf({ host, instance, at, startedAt, busy, rows }: Rates): string {
  const up = rows.filter(({ state }) => state === 'connected').length
  const sum = (read: (row: PeerRow) => number | undefined) => rows.reduce((total, row) => total + (read(row) ?? 0), 0)
  const parts = [
    printable(host),
    `process ${printable(instance.slice(0, 8))}`,
    `up ${age(at - startedAt)}`,
    ...(busy === undefined ? [] : [`event loop ${Math.round(busy * 100)} %`]),
    `${up} of ${rows.length} connected`,
    `calls → ${rate(sum((row) => row.callsOut))}/s ← ${rate(sum((row) => row.callsIn))}/s`
  ]
  return parts.join(' · ')
}

function sorted(rows: readonly PeerRow[], { order, isTurned }: Pick<View, 'order' | 'isTurned'>): PeerRow[] {
  const key = keyOf[order]
  const byHost = (a: PeerRow, b: PeerRow) => (a.host < b.host ? -1 : 1)
  const all = [...rows].sort((a, b) => key(b) - key(a) || byHost(a, b))
  return isTurned ? all.reverse() : all
}

function columnsOf(order: Order): Column<PeerRow>[] {
  const title = (of: Order, text: string) => (of === order ? `${text}▾` : text)
  const told = (value: number | undefined, show: (value: number) => string) => (value === undefined ? '–' : show(value))
  return [
    { title: title('host', 'PEER'), read: ({ host }) => host, isName: true },
    { title: 'STATE', read: ({ state }) => state, isWhole: true, colour: ({ state }) => colourOf(state) },
    { title: title('calls', 'CALLS/S →'), read: (row) => told(row.callsOut, rate), isNumber: true },
    { title: '←', read: (row) => told(row.callsIn, rate), isNumber: true },
    { title: title('bytes', 'MB/S →'), read: (row) => told(row.bytesOut, megabytes), isNumber: true },
    { title: '←', read: (row) => told(row.bytesIn, megabytes), isNumber: true },
    { title: title('open', 'OPEN'), read: ({ open }) => String(open), isNumber: true },
    { title: title('queue', 'QUEUE'), read: ({ queueBytes }) => bytes(queueBytes), isNumber: true },
    { title: title('rtt', 'RTT'), read: ({ rttMs }) => ms(rttMs), isNumber: true }
  ]
}

/** `hosts` and `handlers`: what one server says of the others, and what it offers. */

import { type HandlerInfo, type HostReport, introspection } from '../../index.ts'
import { nameCodecs } from './codecs.ts'
import type { Command, Run } from './command.ts'
import { onlyHostOf } from './hosts.ts'
import { into } from './into.ts'
import type { Colour } from './output.ts'
import { type Column, tableOf } from './table.ts'
import { age, ms } from './text.ts'
import { toJson } from './values.ts'

export const hosts: Command = {
  name: 'hosts',
  summary: 'the servers that a host knows, and whether it is connected to them',
  usage: 'HOST',
  about:
    'Needs the option introspection at the host, with a rule that admits this guest.\n\n  it-grid hosts http://node-1:9000',
  options: {},
  async run(run) {
    const host = onlyHostOf(run)
    await using guest = await run.dial(host)
    const look = into(guest, { signal: run.signal, timeout: lookMs })
    const [reports, { at }] = await Promise.all([look.hosts(), look.ping()])
    await print(run, hostColumns(at), reports)
    return undefined
  }
}

export const handlers: Command = {
  name: 'handlers',
  summary: 'the handlers that a host offers',
  usage: 'HOST',
  about: `"codec" is what the fingerprint of a handler tells: of payload → requests → responses, or one word where all are the same.

  it-grid handlers http://node-1:9000 --all`,
  options: { all: { help: 'those of $grid as well, which are for looking' } },
  async run(run) {
    const host = onlyHostOf(run)
    await using guest = await run.dial(host)
    const offered = guest.handlers.filter(
      ({ subroute }) => run.options.has('all') || subroute !== introspection.subroute
    )
    const inOrder = (a: HandlerInfo, b: HandlerInfo) => compare(a.subroute, b.subroute) || compare(a.handler, b.handler)
    await print(run, handlerColumns, [...offered].sort(inOrder))
    return undefined
  }
}

/** How long a host may take to tell. */
export const lookMs = 10_000

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** As a table, or as one JSON value. */
export async function print<Row>(run: Run, columns: readonly Column<Row>[], rows: readonly Row[]): Promise<void> {
  const { out, options } = run
  if (options.has('json')) await out.line(toJson(rows))
  else await out.lines(tableOf(columns, rows, out))
}

export function colourOf(state: string): Colour {
  return state === 'connected' ? 'green' : state === 'connecting' || state === 'idle' ? 'yellow' : 'red'
}

/** @param at now, by the clock of the host */
const hostColumns = (at: number): Column<HostReport>[] => [
  { title: 'HOST', read: ({ host }) => host, isName: true },
  { title: 'STATE', read: ({ state }) => state, isWhole: true, colour: ({ state }) => colourOf(state) },
  { title: 'SINCE', read: ({ since, downSince }) => age(at - (downSince ?? since)), isNumber: true },
  { title: 'RTT', read: ({ rttMs }) => ms(rttMs), isNumber: true },
  { title: 'INSTANCE', read: ({ instance }) => instance?.slice(0, 8) ?? '–', isWhole: true },
  { title: 'LAST ERROR', read: ({ state, lastError }) => (state === 'connected' ? '' : (lastError ?? '')) }
]

const handlerColumns: Column<HandlerInfo>[] = [
  { title: 'HANDLER', read: ({ handler }) => handler, isName: true },
  { title: 'SUBROUTE', read: ({ subroute }) => subroute, isName: true },
  { title: 'KIND', read: ({ kind }) => kind, isWhole: true },
  { title: 'WINDOW IN', read: ({ kind, inCapacity }) => (kind === 'single' ? '' : String(inCapacity)), isNumber: true },
  { title: 'OUT', read: ({ kind, outCapacity }) => (kind === 'single' ? '' : String(outCapacity)), isNumber: true },
  { title: 'CODEC', read: nameCodecs },
  { title: 'FINGERPRINT', read: ({ fingerprint }) => fingerprint ?? '–', isWhole: true }
]

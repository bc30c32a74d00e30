/** `locks`: what the lock servers of a grid have granted, and who waits for what. */

import { type Guest, UnknownHandlerError } from '../../index.ts'
import { type LockInfo, type LockQueue, listLocks, topLocks } from '../locks/index.ts'
import { findHandler } from './codecs.ts'
import type { Command, Run } from './command.ts'
import { tellNote } from './errors.ts'
import { UsageError } from './exit.ts'
import { hostOf, noMore, toHost } from './hosts.ts'
import { into } from './into.ts'
import { lookMs, print } from './look.ts'
import { type Column, tableOf } from './table.ts'
import { age, messageOf, printable } from './text.ts'
import { toJson } from './values.ts'

export const locks: Command = {
  name: 'locks',
  summary: 'which locks are held, or who waits for what',
  usage: 'HOST [list | top]',
  about: `list, the default, shows each lock once; top the resources with waiters, the longest wait first. The lock servers are all
servers that the host knows and that serve it-grid/locks; --server names them, where the host may not be looked into.
Guests need to be allowed lock.list and lock.top.

  it-grid locks http://node-1:9000 top`,
  options: {
    server: { value: 'HOST', multiple: true, help: 'a lock server; may be given several times' },
    subroute: { value: 'NAME', help: 'the subroute of the lock servers' },
    max: { value: 'N', help: 'of top: so many resources; default 10' }
  },
  run: runLocks
}

async function runLocks(run: Run): Promise<undefined> {
  const { host, rest } = hostOf(run)
  const [what = 'list', ...more] = rest
  noMore(more)
  if (what !== 'list' && what !== 'top') throw new UsageError(`locks shows list or top; it is "${printable(what)}"`)
  const max = run.options.whole('max', 1, 10_000) ?? 10
  const subroute = run.options.text('subroute') ?? ''
  const guests = await lockServers(run, host, subroute)
  try {
    const options = { subroute, signal: run.signal }
    if (what === 'top') await printTop(run, await topLocks(guests, { ...options, max }))
    else await printList(run, listLocks(guests, options))
  } finally {
    await Promise.all(guests.map((guest) => guest.close({ timeout: 0 })))
  }
  return undefined
}

/** A guest of each. What cannot be reached is told, and the others are asked. */
async function lockServers(run: Run, host: string, subroute: string): Promise<Guest[]> {
  const named = [...new Set(run.options.texts('server').map((each) => toHost(each)))]
  const errors: unknown[] = []
  const dial = (each: string) => dialOrTell(run, each, errors)
  const guests = named.length > 0 ? await dialed(named, dial) : await dialKnown(run, host, dial)
  if (guests.length === 0) throw errors[0]
  const servers = guests.filter((guest) => findHandler(guest, subroute, 'lock.list') !== undefined)
  await Promise.all(guests.filter((guest) => !servers.includes(guest)).map((guest) => guest.close({ timeout: 0 })))
  if (servers.length > 0) return servers
  const where = subroute === '' ? '' : ` under "${printable(subroute)}"`
  throw new UnknownHandlerError(`no locks are served${where} by ${guests.map((guest) => guest.host).join(', ')}`)
}

type DialOne = (host: string) => Promise<Guest | undefined>

async function dialed(hosts: readonly string[], dial: DialOne): Promise<Guest[]> {
  const guests = await Promise.all(hosts.map(dial))
  return guests.filter((guest) => guest !== undefined)
}

async function dialKnown(run: Run, host: string, dial: DialOne): Promise<Guest[]> {
  const first = await run.dial(host)
  try {
    const reports = await into(first, { signal: run.signal, timeout: lookMs }).hosts()
    return [first, ...(await dialed([...new Set(reports.map((each) => each.host))], dial))]
  } catch (error) {
    await first.close({ timeout: 0 })
    throw error
  }
}

async function dialOrTell(run: Run, host: string, errors: unknown[]): Promise<Guest | undefined> {
  try {
    return await run.dial(host)
  } catch (error) {
    run.signal.throwIfAborted()
    errors.push(error)
    await tellNote(run, `${host} is not asked: ${messageOf(error)}`)
    return undefined
  }
}

/** As they come for programs; for people a table needs all of them. */
async function printList(run: Run, found: AsyncIterable<LockInfo>): Promise<void> {
  const all: LockInfo[] = []
  for await (const lock of found) {
    all.push(lock)
    if (all.length > mostInTable) break
  }
  const shown = all.slice(0, mostInTable).sort((a, b) => b.heldMs - a.heldMs)
  await print(run, listColumns, shown)
  if (all.length > mostInTable) await tellNote(run, `there are more than these ${mostInTable}`)
}

/** Beyond it nobody reads. */
const mostInTable = 10_000

async function printTop({ out, options }: Run, queues: readonly LockQueue[]): Promise<void> {
  if (options.has('json')) return await out.line(toJson(queues))
  if (queues.length === 0) return await out.line('nobody waits')
  const rows = queues.flatMap((queue): TopRow[] => [
    ...queue.heldBy.map(({ owner, source, heldMs }) => ({
      resource: queue.resource,
      role: 'has it',
      owner,
      source,
      ms: heldMs
    })),
    ...queue.waiting.map(({ owner, source, waitedMs }) => ({
      resource: '',
      role: 'waits',
      owner,
      source,
      ms: waitedMs
    }))
  ])
  await out.lines(tableOf(topColumns, rows, out))
}

interface TopRow {
  readonly resource: string
  readonly role: string
  readonly owner: string
  readonly source: string
  readonly ms: number
}

const topColumns: Column<TopRow>[] = [
  { title: 'RESOURCE', read: ({ resource }) => resource, isName: true },
  { title: '', read: ({ role }) => role, isWhole: true, colour: ({ role }) => (role === 'waits' ? 'yellow' : 'green') },
  { title: 'OWNER', read: ({ owner }) => owner, isName: true },
  { title: 'SOURCE', read: ({ source }) => source },
  { title: 'FOR', read: (row) => age(row.ms), isNumber: true }
]

const listColumns: Column<LockInfo>[] = [
  { title: 'KIND', read: ({ kind }) => kind, isWhole: true },
  { title: 'RESOURCES', read: ({ resources }) => resources.join(', '), isName: true },
  { title: 'OWNER', read: ({ owner }) => owner, isName: true },
  { title: 'SOURCE', read: ({ source }) => source },
  { title: 'HELD', read: ({ heldMs }) => age(heldMs), isNumber: true },
  { title: 'EXPIRES IN', read: ({ expiresInMs }) => age(expiresInMs), isNumber: true },
  { title: 'TOKEN', read: ({ token }) => String(token), isNumber: true }
]

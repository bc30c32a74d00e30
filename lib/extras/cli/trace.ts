/** `trace`: calls as they end, at one server or at several. */

import type { CallRecord, TraceOptions } from '../../index.ts'
import type { Command, Run } from './command.ts'
import { tellNote } from './errors.ts'
import { hostsOf, toHost } from './hosts.ts'
import { into } from './into.ts'
import { firstOf, follow, Link } from './link.ts'
import { lookMs } from './look.ts'
import { cutMiddle, fitNames, shortNames } from './names.ts'
import type { Output } from './output.ts'
import { bytes, messageOf, ms, printable } from './text.ts'
import { toJson } from './values.ts'

export const trace: Command = {
  name: 'trace',
  summary: 'calls as they end',
  usage: 'HOST [HOST ...]',
  about: `Where nobody asks, a host records nothing. A reader that is slow misses records, and is told how many.
Needs the option introspection at each host, with a rule that admits this guest.

  it-grid trace http://node-1:9000 --failed
  it-grid trace http://node-1:9000 --all --handler cache.get --slower 100ms --json | jq .durationMs`,
  options: {
    all: { help: 'at all servers that the host knows' },
    side: { value: 'SIDE', help: 'only where the server is the caller, or the handler' },
    peer: { value: 'HOST', help: 'only calls to or from this one, or this guest:NAME' },
    handler: { value: 'ID', help: 'only this handler' },
    subroute: { value: 'NAME', help: 'only under this subroute' },
    slower: { value: 'TIME', help: 'only what took longer' },
    failed: { help: 'only what failed' },
    sample: { value: 'SHARE', help: 'so many of them, such as 0.1' },
    count: { value: 'N', help: 'end after so many' }
  },
  run: runTrace
}

async function runTrace(run: Run): Promise<undefined> {
  const { options, signal } = run
  const [host, ...named] = hostsOf(run)
  const filter = filterOf(run)
  const count = options.whole('count', 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY
  const hosts = [...new Set([host, ...named, ...(options.has('all') ? await othersOf(run, host) : [])])]
  const enough = new AbortController()
  const until = firstOf(signal, enough.signal)
  const links = hosts.map((each) => new Link(each, run.dial))
  let printed = 0
  const show = async (at: string, record: CallRecord) => {
    if (printed >= count) return
    printed++
    await printRecord(run, at, record, (host) => names.of(host))
    if (printed >= count) enough.abort()
  }
  const names = new TraceNames(hosts, run.out)
  try {
    await Promise.all(
      links.map(async (link) => {
        await openLink(run, link, hosts.length === 1, until)
        const read = async () => {
          const records = into(link).trace(filter, { signal: until })
          for await (const record of records) await show(link.host, record)
        }
        await follow(link, until, read, (why) => {
          void tellNote(run, `lost ${link.host}: ${why.message}; it is dialed again`)
        })
      })
    )
  } catch (error) {
    if (!enough.signal.aborted) throw error
  } finally {
    enough.abort()
    await Promise.all(links.map((link) => link.close()))
  }
  return undefined
}

/** What else is in a line of a call, about. */
const restOfLine = 48
/** A server that is called by more has a long list of them. */
const mostNames = 1000

/** What servers are called in the lines: on a terminal so short that a line has room, as far as that can be. */
class TraceNames {
  readonly #known: Set<string>
  readonly #width: number | undefined
  #names: ReadonlyMap<string, string>

  constructor(hosts: readonly string[], out: Output) {
    this.#known = new Set(hosts)
    this.#width = out.isTerminal ? Math.max(12, Math.floor((out.columns - restOfLine) / 2)) : undefined
    this.#names = this.#toNames()
  }

  of(host: string): string {
    if (this.#width === undefined) return this.#names.get(host) ?? host
    if (!host.includes('://')) return cutMiddle(host, this.#width)
    if (!this.#known.has(host) && this.#known.size < mostNames) {
      this.#known.add(host)
      this.#names = this.#toNames()
    }
    return this.#names.get(host) ?? cutMiddle(host, this.#width)
  }

  #toNames(): ReadonlyMap<string, string> {
    return this.#width === undefined ? shortNames([...this.#known]) : fitNames(this.#known, this.#width)
  }
}

/** Of several, some may be away, and none waits for another one; of one, it is told at once. */
async function openLink(run: Run, link: Link, isOnly: boolean, until: AbortSignal): Promise<void> {
  try {
    await link.open()
  } catch (error) {
    if (isOnly || until.aborted) throw error
    await tellNote(run, `${link.host} is not reached: ${messageOf(error)}`)
    link.keep()
  }
}

/** The servers that a host knows, but for itself. */
export async function othersOf(run: Run, host: string): Promise<string[]> {
  await using guest = await run.dial(host)
  const reports = await into(guest, { signal: run.signal, timeout: lookMs }).hosts()
  return reports.map((each) => each.host)
}

function filterOf({ options }: Run): TraceOptions {
  const [peer, handler, subroute] = [options.text('peer'), options.text('handler'), options.text('subroute')]
  const [side, slowerThanMs, sample] = [
    options.oneOf('side', ['caller', 'handler']),
    options.ms('slower'),
    options.share('sample')
  ]
  return {
    ...(side === undefined ? {} : { side }),
    ...(peer === undefined ? {} : { host: peer.startsWith('guest:') ? peer : toHost(peer) }),
    ...(handler === undefined ? {} : { handler }),
    ...(subroute === undefined ? {} : { subroute }),
    ...(slowerThanMs === undefined ? {} : { slowerThanMs }),
    ...(options.has('failed') ? { failed: true } : {}),
    ...(sample === undefined ? {} : { sample })
  }
}

async function printRecord(
  { options, out }: Run,
  at: string,
  record: CallRecord,
  name: (host: string) => string
): Promise<void> {
  if (options.has('json')) return await out.line(toJson({ at, ...record }))
  const { side, host, handler, subroute, startedAt, durationMs, code, delivery, attempts, skipped } = record
  const ended = new Date(startedAt + durationMs).toISOString().slice(11, 23)
  const [from, to] = side === 'caller' ? [at, host] : [host, at]
  const isGood = code === 'OK'
  const parts = [
    out.paint('dim', ended),
    `${printable(name(from))} → ${printable(name(to))}`,
    out.paint('bold', printable(subroute === '' ? handler : `${subroute}/${handler}`)),
    ms(durationMs),
    out.paint(isGood ? 'green' : 'red', printable(code)),
    ...(isGood || delivery === undefined ? [] : [delivery]),
    `${bytes(record.bytesIn)} in, ${bytes(record.bytesOut)} out`,
    side,
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(skipped > 0 ? [out.paint('yellow', `${skipped} not shown before`)] : [])
  ]
  await out.line(parts.join('  '))
}

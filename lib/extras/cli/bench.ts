/** `bench`: how many requests a second a handler answers over one conn, and how long each takes. */

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Callable, type CallOptions, single } from '../../index.ts'
import { codecs, findHandler, likelyCodecs } from './codecs.ts'
import type { Command, Run } from './command.ts'
import { tellNote } from './errors.ts'
import { exitCodeOf, exitCodes, UsageError } from './exit.ts'
import { hostOf, noMore } from './hosts.ts'
import { bytesOf, isPiped, payloadOf } from './input.ts'
import { into, type Looked } from './into.ts'
import { Latencies } from './latencies.ts'
import { pause } from './link.ts'
import { bytes, megabytes, ms, printable, rate } from './text.ts'
import { toJson } from './values.ts'

export const bench: Command = {
  name: 'bench',
  summary: 'how many requests a second a handler answers, and how long each takes',
  usage: 'HOST [ID [JSON | @FILE | -]]',
  about: `Makes the same request again and again, over the one conn of this guest. Without an ID it is ping of $grid, which needs
introspection. Times are what this command sees: its own work is in them. A guest has limits of its own at the host
(guests.limits), and so fewer calls at once than a server has.

  it-grid bench http://node-1:9000 cache.get '{"key":"a"}' --concurrency 32 --for 10s
  it-grid bench http://node-1:9000 echo --bytes 4096`,
  options: {
    for: { value: 'TIME', help: 'how long; default 5s' },
    count: { value: 'N', help: 'so many requests, in place of a time' },
    concurrency: { value: 'N', short: 'c', help: 'requests at once; default 16' },
    bytes: { value: 'N', help: 'send so many random bytes to a raw handler' },
    raw: { help: 'the payload is bytes, as of call' },
    timeout: { value: 'TIME', env: 'IT_GRID_TIMEOUT', help: 'of each request; default 60s' },
    subroute: { value: 'NAME', help: 'the subroute of the handler' }
  },
  run: runBench
}

/** Makes one request; resolves when it is answered. */
type Ask = () => Promise<unknown>

interface Tally {
  readonly latencies: Latencies
  readonly errors: Record<string, number>
  failed: number
  /** The first of them. */
  error: unknown
}

const progressMs = 500
const mostBytes = 64 * 1024 * 1024

async function runBench(run: Run): Promise<number> {
  const { options, signal } = run
  const { host, rest } = hostOf(run)
  const concurrency = options.whole('concurrency', 1, 65_536) ?? 16
  const count = options.whole('count', 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY
  const forMs = options.ms('for') ?? (count === Number.POSITIVE_INFINITY ? 5000 : Number.POSITIVE_INFINITY)
  const prepare = await readTarget(run, rest)
  await using guest = await run.dial(host)
  const { ask, sentBytes } = prepare(guest)
  const tally: Tally = { latencies: new Latencies(), errors: {}, failed: 0, error: undefined }
  // What is wrong with the call is told at once, and not a thousand times.
  await ask()
  const startMs = performance.now()
  const over = new AbortController()
  const progress = showProgress(run, tally, startMs, Math.min(forMs, 2 ** 31), count, over.signal)
  let left = count
  const isOver = () => left-- <= 0 || performance.now() - startMs >= forMs || signal.aborted
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, () => work(ask, isOver, tally)))
  const tookMs = performance.now() - startMs
  over.abort()
  await progress
  signal.throwIfAborted()
  await report(run, host, tally, { concurrency, tookMs, sentBytes })
  return tally.failed === 0 ? exitCodes.ok : exitCodeOf(tally.error)
}

async function work(ask: Ask, isOver: () => boolean, tally: Tally): Promise<void> {
  while (!isOver()) {
    const startMs = performance.now()
    try {
      await ask()
      tally.latencies.add(performance.now() - startMs)
    } catch (error) {
      tally.error ??= error
      tally.failed++
      const code = String((error as { readonly code?: unknown } | undefined)?.code ?? 'ERR_INTERNAL')
      tally.errors[code] = (tally.errors[code] ?? 0) + 1
      // One that fails at once would fail a million times.
      await delay(1)
    }
  }
}

interface Target {
  readonly ask: Ask
  readonly sentBytes: number
}

/** The payload is made once; what it is made of is read before the host is dialed. */
async function readTarget(run: Run, rest: readonly string[]) {
  const { options, stdin, signal } = run
  const [id, input, ...more] = rest
  noMore(more)
  const size = options.whole('bytes', 0, mostBytes)
  const subroute = options.text('subroute') ?? ''
  const timeout = options.ms('timeout')
  const callOptions: CallOptions = { signal, ...(timeout === undefined ? {} : { timeout }) }
  if (id === undefined) {
    if (size !== undefined || options.has('raw')) throw new UsageError('--bytes and --raw need the id of a handler')
    return (peer: Looked): Target => ({ ask: () => into(peer, callOptions).ping(), sentBytes: 0 })
  }
  if (size !== undefined && input !== undefined)
    throw new UsageError('--bytes makes the payload: leave the other one out')
  const within = (peer: Callable) => (subroute === '' ? peer : peer.subroute(subroute))
  if (size !== undefined || options.has('raw')) {
    const raw = size === undefined ? await bytesOf(input ?? '', stdin, signal) : randomBytes(size)
    return (peer: Callable): Target => ({
      ask: () => within(peer).request(id, raw, callOptions),
      sentBytes: raw.length
    })
  }
  if (input === undefined && isPiped(stdin)) await tellNote(run, 'stdin is not read: - sends it as the payload')
  const value = input === undefined ? undefined : await payloadOf(input, stdin, signal)
  return (peer: Looked): Target => {
    const { payload, response } = likelyCodecs(findHandler(peer, subroute, id))
    const definition = single<unknown, unknown>(id, { request: codecs[payload], response: codecs[response] })
    const sentBytes = definition.request.encode(value).length
    return { ask: () => within(peer).request(definition, value, callOptions), sentBytes }
  }
}

/** On stderr, in place. Nothing where that is no terminal. */
async function showProgress(
  { err, options }: Run,
  { latencies }: Tally,
  startMs: number,
  forMs: number,
  count: number,
  over: AbortSignal
): Promise<void> {
  if (!err.canRedraw || options.has('json')) return
  let [lastMs, lastCount] = [startMs, 0]
  while (!over.aborted) {
    await pause(progressMs, over)
    const nowMs = performance.now()
    const share = Math.min(1, Math.max((nowMs - startMs) / forMs, latencies.count / count))
    const now = rate(((latencies.count - lastCount) * 1000) / (nowMs - lastMs))
    ;[lastMs, lastCount] = [nowMs, latencies.count]
    const bar = '█'.repeat(Math.round(share * 20)).padEnd(20, '░')
    await err.write(`\r${bar} ${Math.round(share * 100)} %  ${now}/s  p99 ${ms(latencies.quantile(0.99))}\u001b[K`)
  }
  await err.write('\r\u001b[K')
}

interface Measured {
  readonly concurrency: number
  readonly tookMs: number
  readonly sentBytes: number
}

async function report({ out, options }: Run, host: string, tally: Tally, measured: Measured): Promise<void> {
  const { latencies, failed, errors } = tally
  const { concurrency, tookMs, sentBytes } = measured
  const perSecond = (latencies.count * 1000) / tookMs
  const rounded = (value: number) => Math.round(value * 1000) / 1000
  const of = (share: number) => rounded(latencies.quantile(share))
  if (options.has('json')) {
    const durations = {
      p50Ms: of(0.5),
      p90Ms: of(0.9),
      p99Ms: of(0.99),
      p999Ms: of(0.999),
      maxMs: rounded(latencies.maxMs)
    }
    const counts = {
      requests: latencies.count,
      failed,
      errors,
      perSecond: rounded(perSecond),
      sentBytes,
      concurrency,
      tookMs: rounded(tookMs)
    }
    return await out.line(toJson({ host, ...counts, ...durations }))
  }
  const quantiles = [`p50 ${ms(of(0.5))}`, `p90 ${ms(of(0.9))}`, `p99 ${ms(of(0.99))}`, `p99.9 ${ms(of(0.999))}`]
  await out.lines([
    `${latencies.count.toLocaleString('en')} requests in ${(tookMs / 1000).toFixed(1)} s, ${concurrency} at once, ${bytes(sentBytes)} each`,
    `${rate(perSecond)} requests/s, ${megabytes(perSecond * sentBytes)} MB/s sent`,
    `${quantiles.join(', ')}, longest ${ms(latencies.maxMs)}`,
    ...Object.entries(errors).map(([code, times]) => out.paint('red', `${times} failed: ${printable(code)}`))
  ])
}

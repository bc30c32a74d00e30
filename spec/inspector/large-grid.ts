/** The feed of a large grid with made-up figures, as the serving process tells it: for what the page itself costs and looks like. */

import { createServer, type ServerResponse } from 'node:http'
import { assetOf } from '../../lib/extras/inspector/assets.ts'
import { type Recorded, valuesOf } from '../../lib/extras/inspector/compact.ts'
import type {
  Answer,
  Cell,
  HandlerRow,
  Happening,
  ListName,
  PackedSeries,
  Patch,
  ServerFigures,
  Value,
  Wire
} from '../../lib/extras/inspector/model.ts'
import { randomFrom } from '../support/random.ts'

export interface LargeGrid {
  readonly servers: number
  readonly handlers: number
  /** Default names that differ by a number. */
  readonly hosts?: readonly string[]
  /** One server is gone, one handler is slow at another, one fails, a pair reconnects. */
  readonly trouble?: boolean
}

const types = ['get', 'put', 'list', 'scan', 'tail', 'merge', 'drop', 'count', 'copy', 'stat']
const things = ['orders', 'users', 'index', 'mail', 'search', 'billing', 'media', 'feed', 'audit', 'quota']
const feeds = ['feed', 'handler', 'handlers', 'connection', 'trace']
const [slowAt, apartAt, goneAt] = [8, 11, 16]
const sinceMs = 41_000
const points = 60

export class FakeFeed {
  ticks = 0
  /** Feeds that were asked for, by their names. */
  readonly asked: string[] = []
  /** Their names while they are open. */
  readonly open = new Map<ServerResponse, string>()
  /** What they are refused with. */
  refusal = ''
  status = 503
  /** Nobody is answered as yet: its rule has not decided. */
  undecided: (() => void)[] | undefined
  /** They are opened, and told nothing. */
  isMute = false
  /** Handlers without rows. */
  handlersNotShown = 0
  /** Cells that were told of since the beginning, as row and column from 1 on. */
  readonly cellsTold = new Set<string>()
  readonly #size: LargeGrid
  readonly #hosts: readonly string[]
  readonly #pages = new Set<ServerResponse>()
  readonly #random = randomFrom(7)
  readonly #startedAt = Date.now() - sinceMs
  #events = 0

  constructor(size: LargeGrid) {
    this.#size = size
    this.#hosts =
      size.hosts ??
      Array.from({ length: size.servers }, (_, at) => `http://node-${String(at + 1).padStart(2, '0')}.test:9000`)
  }

  get server() {
    return createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://page.test').pathname.slice('/inspector/'.length)
      if (!request.url?.startsWith('/inspector/')) return response.writeHead(204).end()
      if (feeds.includes(name)) return this.#open(name, response)
      const asset = assetOf(name === '' ? 'index.html' : name)
      if (asset === undefined) return response.writeHead(404).end()
      return response.writeHead(200, { 'content-type': asset.type }).end(asset.body)
    })
  }

  /** Tells what has changed in a second. */
  tick(): void {
    this.ticks++
    const told = JSON.stringify(this.#changes())
    for (const page of this.#pages) page.write(`data: ${told}\n\n`)
  }

  #open(name: string, response: ServerResponse): unknown {
    this.asked.push(name)
    this.undecided?.push(() => this.#answer(name, response))
    return this.undecided ?? this.#answer(name, response)
  }

  #answer(name: string, response: ServerResponse): unknown {
    if (this.refusal !== '') return response.writeHead(this.status, { 'content-type': 'text/plain' }).end(this.refusal)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 1000\n\n')
    this.open.set(response, name)
    response.on('close', () => this.open.delete(response))
    if (name !== 'feed' || this.isMute) return undefined
    response.write(`data: ${JSON.stringify(this.#whole())}\n\n`)
    this.#pages.add(response)
    return response.on('close', () => this.#pages.delete(response))
  }

  #whole(): Wire {
    const pairs = this.#hosts.flatMap((_, from) => this.#hosts.map((__, to) => [from, to] as const))
    return {
      ...this.#changes(),
      hosts: this.#hosts,
      cells: pairs.filter(([from, to]) => from !== to).map(([from, to]) => this.#cell(from, to)),
      points: { slot: 1000, count: points, of: this.#rows().map((_, at) => [at, ...this.#series(at, points)]) }
    }
  }

  /** All handlers are called, a tenth of the cells is another one, and something happens. */
  #changes(): Wire {
    const now = Date.now()
    const [local = ''] = this.#hosts
    const rows = this.#rows()
    const pick = () => Math.floor(this.#random() * this.#hosts.length)
    const pairs = Array.from(
      { length: (this.#hosts.length * this.#hosts.length) / 10 },
      () => [pick(), pick()] as const
    )
    const isDue = this.ticks % 5 === 0
    return {
      ...{ at: now, local, answers: this.#answers(), events: this.#news(now) },
      servers: this.#hosts.map((_, at) => patch('servers', at, this.#server(at, now))),
      handlers: rows.map((row, at) => patch('handlers', at, row)),
      cells: pairs.filter(([from, to]) => from !== to).map(([from, to]) => this.#cell(from, to)),
      sums: {
        calls: 22_443,
        errors: 32,
        bytes: 92_000_000,
        streams: 412,
        requests: 731,
        answering: this.#hosts.length,
        handlersNotShown: this.handlersNotShown
      },
      ...(isDue
        ? { points: { slot: 1000 + this.ticks / 5, count: 1, of: rows.map((_, at) => [at, ...this.#series(at, 1)]) } }
        : {})
    }
  }

  #isTrouble(at: number, of: number): boolean {
    return this.#size.trouble === true && at === of
  }

  #server(at: number, now: number): ServerFigures {
    const host = this.#hosts[at] as string
    const { length } = this.#hosts
    const isSlow = this.#isTrouble(at, slowAt)
    if (this.#isTrouble(at, goneAt)) {
      return { host, state: 'away', severity: 'bad', up: 0, note: 'ECONNREFUSED', at: this.#startedAt }
    }
    return {
      ...{
        host,
        state: 'answers',
        severity: isSlow ? 'warn' : 'ok',
        up: length - 1 - Number(this.#size.trouble === true)
      },
      ...{ note: isSlow ? 'its event loop is busy' : '', startedAt: now - 86_400_000 },
      ...{
        busy: isSlow ? 0.97 : 0.06 + Math.round(this.#random() * 30) / 100,
        calls: 400 + Math.round(this.#random() * 310)
      }
    }
  }

  #cell(from: number, to: number) {
    this.cellsTold.add(`${from + 1} ${to + 1}`)
    return patch('cells', from * this.#hosts.length + to, this.#view(from, to), { from, to })
  }

  #view(from: number, to: number): Cell {
    const [fromHost, toHost] = [this.#hosts[from] as string, this.#hosts[to] as string]
    if (this.#isTrouble(to, goneAt))
      return { from: fromHost, to: toHost, state: 'down', since: this.#startedAt, why: 'ECONNREFUSED' }
    const isApart = this.#size.trouble === true && Math.min(from, to) === apartAt && Math.max(from, to) === 29
    if (isApart) return { from: fromHost, to: toHost, state: 'try', since: this.#startedAt + 38_000 }
    const rack = (at: number) => Math.floor(at / 8)
    const far = rack(from) === rack(to) ? 0 : 0.7
    const slow = this.#isTrouble(from, slowAt) || this.#isTrouble(to, slowAt) ? 4.5 : 0
    const rttMs = Math.round((0.3 + far + slow + this.#random() * 0.4) * 10) / 10
    const since = this.#startedAt - 50_000_000
    return { from: fromHost, to: toHost, state: 'up', since, rttMs, streams: 3, queueBytes: 0 }
  }

  #rows(): HandlerRow[] {
    return Array.from({ length: this.#size.handlers }, (_, at) => {
      const name = at === 0 ? 'thumbs/render' : at === 1 ? 'meta/put' : nameAt(at)
      const usual = usualAt(at)
      const [isSlow, fails] = [this.#isTrouble(at, 0), this.#isTrouble(at, 1)]
      const calls = 20 + ((at * 37) % 1000) + Math.round(this.#random() * 10)
      // Not put together by spreads, as nothing here that is made for each row or cell of a tick: that took ten times as long.
      const row: HandlerRow = {
        key: `single ${name}`,
        name,
        kind: 'single',
        running: isSlow ? 37 : 1,
        oldestMs: isSlow ? 8200 : 3,
        unusual: isSlow ? 13 : 1,
        isSlow,
        fails,
        servers: this.#hosts.length,
        calls,
        errors: fails ? calls * 0.031 : 0,
        bytesIn: calls * 100,
        bytesOut: calls * 900,
        p50: usual * 0.3,
        p99: isSlow ? 2400 : Math.round(usual * (95 + this.#random() * 12)) / 100,
        usual
      }
      if (isSlow) return { ...row, where: this.#hosts[slowAt] as string }
      return fails ? { ...row, where: this.#hosts[21] as string } : row
    })
  }

  #series(at: number, count: number): PackedSeries {
    const isSlow = this.#isTrouble(at, 0)
    const list = (value: (at: number) => number) =>
      Array.from({ length: count }, (_, n) => Number(value(n).toPrecision(3)))
    const noise = () => 0.9 + this.#random() * 0.2
    const p99 = (n: number) => (isSlow && n > 25 ? Math.min(2400, usualAt(at) + (n - 25) * 95) : usualAt(at) * noise())
    const errors = (n: number) => (this.#isTrouble(at, 1) && (n > 49 || count === 1) ? 2 + this.#random() : 0)
    return [
      list(() => usualAt(at) * 0.3 * noise()),
      list(p99),
      list(() => (20 + ((at * 37) % 1000)) * noise()),
      list(errors)
    ]
  }

  #answers(): Answer[] {
    const detail = `tick ${this.ticks}`
    const well = (['connected', 'slow', 'fails', 'waits', 'happened'] as const).map(
      (id): Answer => ({
        id,
        severity: 'ok',
        answer: id === 'connected' ? `Yes, all ${this.#hosts.length}` : 'Nobody',
        detail
      })
    )
    if (this.#size.trouble !== true) return well
    return [
      {
        id: 'connected',
        severity: 'bad',
        answer: 'No: node-17 is gone',
        detail: 'not connected for 41 s · 31 of 32 answer'
      },
      {
        id: 'slow',
        severity: 'bad',
        answer: 'thumbs/render at node-09',
        detail: `${detail} · p99 2.4 s, usually 180 ms`
      },
      { id: 'fails', severity: 'warn', answer: 'meta/put at node-22', detail: '3.1 % of its calls in the last minute' },
      { id: 'waits', severity: 'ok', answer: 'Nobody', detail: 'no window is full' },
      { id: 'happened', severity: 'bad', answer: 'node-17 lost by all 31 others', detail: '41 s ago · connection lost' }
    ]
  }

  #news(at: number): Patch[] {
    const id = ++this.#events
    const event: Happening = { id, at, severity: 'info', title: `event ${id}`, detail: 'of this spec' }
    return [patch('events', id, event)]
  }
}

/** All columns of a record. */
function patch(list: ListName, place: number, record: Recorded, more?: Readonly<Record<string, Value>>): Patch {
  const values = valuesOf(list, record, more)
  return [place, 2 ** values.length - 1, ...values]
}

function nameAt(at: number): string {
  const thing = things[Math.floor(at / types.length) % things.length]
  return `${thing}${at < 100 ? '' : '-2'}/${types[at % types.length]}`
}

function usualAt(at: number): number {
  return at === 0 ? 180 : 1 + ((at * 53) % 190) / 10
}

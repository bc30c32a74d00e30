/** The feed of a large grid with made-up figures, as the serving process tells it: for what the page itself costs. */

import { createServer, type ServerResponse } from 'node:http'
import { assetOf } from '../../lib/extras/inspector/assets.ts'
import type { Cell, HandlerRow, Tick } from '../../lib/extras/inspector/model.ts'

export interface LargeGrid {
  readonly servers: number
  readonly handlers: number
}

const types = ['get', 'put', 'list', 'scan', 'tail', 'merge', 'drop', 'count', 'copy', 'stat']

export class FakeFeed {
  ticks = 0
  readonly #size: LargeGrid
  readonly #hosts: readonly string[]
  readonly #pages = new Set<ServerResponse>()
  #events = 0

  constructor(size: LargeGrid) {
    this.#size = size
    this.#hosts = Array.from(
      { length: size.servers },
      (_, at) => `http://node-${String(at + 1).padStart(2, '0')}.test:9000`
    )
  }

  get server() {
    return createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://page.test').pathname.slice('/inspector/'.length)
      if (!request.url?.startsWith('/inspector/')) return response.writeHead(204).end()
      if (name === 'feed') return this.#open(response)
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

  #open(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(this.#whole())}\n\n`)
    this.#pages.add(response)
    response.on('close', () => this.#pages.delete(response))
  }

  #whole(): Tick {
    const all = this.#changes()
    return {
      ...all,
      hosts: this.#hosts,
      cells: this.#hosts.flatMap((from) => this.#hosts.filter((to) => to !== from).map((to) => this.#cell(from, to))),
      points: { slot: 1000, count: 60, of: Object.fromEntries(this.#rows().map(({ key }) => [key, series(60)])) }
    }
  }

  /** All handlers are called, a tenth of the cells is another one, and something happens. */
  #changes(): Tick {
    const now = Date.now()
    const [local = ''] = this.#hosts
    const servers = this.#hosts.map((host) => ({
      ...{ host, state: 'answers' as const, up: this.#hosts.length - 1, severity: 'ok' as const, note: '' },
      ...{ startedAt: now - 86_400_000, busy: Math.random() / 2, calls: Math.random() * 1000 }
    }))
    const rows = this.#rows()
    const answers = (['connected', 'slow', 'fails', 'waits', 'happened'] as const).map((id) => ({
      ...{ id, severity: 'ok' as const, answer: 'Yes', detail: `tick ${this.ticks}` }
    }))
    const pick = () => this.#hosts[Math.floor(Math.random() * this.#hosts.length)] as string
    const cells = Array.from({ length: (this.#hosts.length * this.#hosts.length) / 10 }, () =>
      this.#cell(pick(), pick())
    )
    const id = ++this.#events
    return {
      ...{ at: now, local, epoch: 1, servers, answers, handlers: rows },
      cells: cells.filter(({ from, to }) => from !== to),
      events: [
        { ...{ seq: id, id, at: now, severity: 'info', title: `event ${id}`, detail: 'of this spec' }, hosts: [local] }
      ],
      sums: { calls: 1, errors: 0, bytes: 1, streams: 1, requests: 1, answering: this.#hosts.length },
      ...(this.ticks % 5 === 0
        ? {
            points: {
              slot: 1000 + this.ticks / 5,
              count: 1,
              of: Object.fromEntries(rows.map(({ key }) => [key, series(1)]))
            }
          }
        : {})
    }
  }

  #cell(from: string, to: string): Cell {
    return {
      ...{ from, to, state: 'up', since: Date.now() - 3_600_000 },
      rttMs: Math.random() * 4,
      streams: 3,
      queueBytes: 0
    }
  }

  #rows(): HandlerRow[] {
    return Array.from({ length: this.#size.handlers }, (_, at) => {
      const name = `${types[at % types.length]}/part-${at}`
      const rates = {
        calls: Math.random() * 1000,
        errors: 0,
        bytesIn: 1000,
        bytesOut: 1000,
        p50: 1,
        p99: 5 + Math.random(),
        usual: 5
      }
      return {
        ...{ key: `single ${name}`, name, kind: 'single', running: 1, oldestMs: 3, unusual: 1 + Math.random() / 10 },
        ...{ isSlow: false, fails: false, servers: this.#hosts.length },
        ...rates
      }
    })
  }
}

function series(count: number) {
  const points = () => Array.from({ length: count }, () => Math.random() * 10)
  // Errors are rare.
  return { p50: points(), p99: points(), calls: points(), errors: points().map((value) => (value > 9.9 ? 1 : 0)) }
}

/** A page without a browser: its HTTP server, its feed as it is told, and what it knows by then. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Reader } from '../../lib/extras/inspector/compact.ts'
import { Listener } from '../../lib/extras/inspector/listener.ts'
import type { Tick, Wire } from '../../lib/extras/inspector/model.ts'
import { Pages } from '../../lib/extras/inspector/pages.ts'
import type { Manager } from '../../lib/index.ts'
import { until } from '../support/until.ts'

export interface Opened {
  readonly url: string
  readonly server: Server
}

/** The page of a manager on a server of its own, for as long as the spec runs; it ends at once with the last that looks. */
export async function openInspector(
  test: { after(fn: () => unknown): void },
  grid: Manager,
  lingerMs = 0
): Promise<Opened> {
  const listener = new Listener(() => true, '/inspector', new Pages(grid, 16, lingerMs))
  const server = createServer((request, response) => void listener.answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`, server }
}

/** What the feed of the page tells, one after the other. */
export async function* readTicks(url: string, signal?: AbortSignal): AsyncGenerator<Tick> {
  const reader = new Reader()
  for await (const wire of read<Wire>(url, signal)) yield reader.read(wire)
}

/** What a feed tells, as it travels. */
export async function* read<T = Wire>(
  url: string,
  signal?: AbortSignal,
  headers: Record<string, string> = {}
): AsyncGenerator<T> {
  const response = await fetch(url, { headers, signal: signal ?? null })
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 2)
      if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length))
    }
  }
}

/** A page that stays open, and what it knows. */
export class Looking {
  known: Tick | undefined
  ticks = 0
  readonly #stop = new AbortController()

  constructor(url: string) {
    void this.#read(`${url}feed`).catch(() => undefined)
  }

  /** Resolves with what it knows, once that is so. */
  async until(isIt: (known: Tick) => boolean, what: string): Promise<Tick> {
    await until(() => this.known !== undefined && isIt(this.known), what)
    return this.known as Tick
  }

  close(): void {
    this.#stop.abort()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #read(url: string): Promise<void> {
    for await (const tick of readTicks(url, this.#stop.signal)) {
      this.known = this.known === undefined ? tick : together(this.known, tick)
      this.ticks++
    }
  }
}

function together(known: Tick, tick: Tick): Tick {
  const byKey = <V>(keyOf: (value: V) => string, before: readonly V[] = [], after: readonly V[] = []) => [
    ...new Map([...before, ...after].map((value) => [keyOf(value), value])).values()
  ]
  return {
    ...known,
    ...tick,
    cells: byKey(({ from, to }) => `${from} ${to}`, known.cells, tick.cells),
    servers: byKey(({ host }) => host, known.servers, tick.servers),
    handlers: byKey(({ key }) => key, tick.isWhole === true ? [] : known.handlers, tick.handlers),
    events: byKey(({ id }) => String(id), known.events, tick.events).filter(
      ({ id }) => tick.gone?.includes(id) !== true
    )
  }
}

/** A browser that asks and then reads nothing. */
export async function readNothing(url: string): Promise<Socket> {
  const { port, pathname, host } = new URL(url)
  const socket = connect({ port: Number(port), host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  return socket
}

export function answerOf(tick: Tick, id: string): string {
  return tick.answers?.find((answer) => answer.id === id)?.answer ?? ''
}

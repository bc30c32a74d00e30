/** A server of a grid with a page, in a process of its own: its handlers can be made slow, fail, hang; its streams stall. */

import { inspector } from 'it-grid/inspector'
import { type Connection, single, streaming } from '../../lib/index.ts'
import { cpuMs } from '../support/clock/machine.ts'
import { takeVitals } from '../support/grid/vitals.ts'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

const render = single<number, number>('thumbs/render')
const put = single<number, number>('meta/put')
const tail = streaming<void, never, Uint8Array>('logs/tail', { inCapacity: 0, outCapacity: 16 })
const upload = streaming<void, Uint8Array, never>('disk/write', { inCapacity: 8, outCapacity: 0 })
const feed = streaming<void, never, number>('meta/watch', { inCapacity: 0, outCapacity: 8 })

const init = given<ServerInit & { readonly keepAliveMs?: number }>()
const { manager, server, words } = startServer(init, {
  introspection: true,
  keepAlive: { intervalMs: init.keepAliveMs ?? 2000 }
})
const page = inspector(manager, { allow: () => true })
server.on('request', page)

let slowMs = 0
let isFailing = false
const never = new Promise<never>(() => undefined)

manager.handle(render, async (value) => {
  if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs))
  return value
})
manager.handle(put, async (value) => {
  if (isFailing) return (undefined as unknown as { rev: number }).rev
  return value
})
manager.handle('jobs/hang', () => never)
manager.handle(tail, async function* () {
  for (;;) yield new Uint8Array(512)
})
manager.handle(upload, async function* (_, requests, { signal }) {
  void requests
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
})
manager.handle(feed, async function* (_, __, { signal }) {
  yield 1
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
})

/** What hangs, stalls or is quiet is so until `resume`, also where a busy machine loses the conn meanwhile. */
let holding = new AbortController()
let load: NodeJS.Timeout | undefined

async function hold(host: string, call: (peer: Connection, signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const { signal } = holding
  const peer = manager.connection(host)
  while (!signal.aborted && peer.state !== 'closed') {
    await call(peer, signal).catch(() => undefined)
    await peer.waitForConnect({ signal }).catch(() => undefined)
  }
}

const hostile = '<img src=x onerror=alert(1)>'
manager.handle(hostile, () => {
  throw new TypeError('<script>alert(1)</script>')
})

const heard = {
  ...words,

  /** Calls both handlers at all others, so many times a round. */
  work(perRound: number, everyMs: number) {
    clearInterval(load)
    load = setInterval(() => {
      for (const peer of manager.connections) {
        if (peer.state !== 'connected') continue
        for (let at = 0; at < perRound; at++) {
          peer.request(render, at).catch(() => undefined)
          peer.request(put, at).catch(() => undefined)
        }
      }
    }, everyMs)
  },

  /** So many calls one after the other, to have something usual. */
  async usual(count: number) {
    for (const peer of manager.connections) {
      await peer.waitForConnect()
      for (let at = 0; at < count; at += 20) {
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => Promise.all([peer.request(render, n), peer.request(put, n)]))
        )
      }
    }
  },

  /** So many handlers, each called at all servers. */
  many(count: number) {
    for (let at = 0; at < count; at++) manager.handle(`part-${at % 10}/do-${at}`, (payload) => payload)
  },

  /** Calls one of many at one of the others, so many times a second, until it is asked for none. */
  chatter(perSecond: number, count: number) {
    clearInterval(load)
    const payload = new Uint8Array(100)
    let at = Math.floor(Math.random() * count)
    if (perSecond === 0) return
    load = setInterval(() => {
      for (let calls = 0; calls < perSecond / 10; calls++, at++) {
        const peer = manager.connections[Math.floor(Math.random() * manager.connections.length)]
        peer?.request(`part-${at % 10}/do-${at % count}`, payload).catch(() => undefined)
        if (at >= count) at = 0
      }
    }, 100)
  },

  /** What it holds, what it has used of a processor so far in ms, and how many `$grid` calls are open at it. */
  async cost() {
    const looks = manager.stats().served.filter(({ subroute, running }) => subroute === '$grid' && running > 0)
    const running = Object.fromEntries(looks.map(({ handler, running: open }) => [handler, open]))
    const { heapBytes, externalBytes } = await takeVitals(manager)
    return { cpuMs: cpuMs(), heapBytes, externalBytes, running }
  },

  slow(ms: number) {
    slowMs = ms
  },

  fail(isOn: boolean) {
    isFailing = isOn
  },

  async hang(host: string) {
    await manager.connection(host).waitForConnect()
    void hold(host, (peer, signal) => peer.request('jobs/hang', undefined, { signal }))
  },

  /** Takes one message of a stream, and no other. */
  async stall(host: string) {
    await manager.connection(host).waitForConnect()
    await new Promise<unknown>((resolve) => {
      void hold(host, async (peer, signal) => {
        const stream = peer.newStream(tail, undefined, { signal })
        resolve(await stream.responses.next())
        await stream.closed
      })
    })
  },

  async quiet(host: string) {
    await manager.connection(host).waitForConnect()
    void hold(host, async (peer, signal) => {
      for await (const _ of peer.newStream(feed, undefined, { signal }));
    })
  },

  /** Calls a handler whose name and errors are code. */
  async provoke(host: string) {
    await manager
      .connection(host)
      .request(hostile)
      .catch(() => undefined)
  },

  resume() {
    holding.abort()
    holding = new AbortController()
  }
}

export type Words = typeof heard
obey(heard)

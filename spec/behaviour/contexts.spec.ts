/** Async contexts (`AsyncLocalStorage`): a call has one of its own, over every kind of conn, from either end. */

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { insecure, type Logger, Manager, many, memoryPair, silentLogger, streaming } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { type CallsFrom, type Link, type LinkKind, openLink, useLink } from '../support/grid/links.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { until } from '../support/until.ts'

const context = new AsyncLocalStorage<string>()
const seen = () => context.getStore()
const feed = streaming<void, never, string | null>('feed', { inCapacity: 0, outCapacity: 1 })
const upload = streaming<void, number, never>('upload', { inCapacity: 1, outCapacity: 0 })

/** A link made in a context of its own, used in that of a test. */
async function onLink(kind: LinkKind, from: CallsFrom, body: (link: Link) => Promise<void>): Promise<void> {
  const link = await context.run('the maker', () => openLink(kind, from))
  await useLink(link, () => context.run('the caller', () => body(link)))
}

/** What a handler sees in a request and in each pull of a stream, of which there are several. */
async function seenBy({ responder, known, peer }: Link): Promise<(string | undefined)[]> {
  const views: (string | undefined)[] = []
  const look = () => views.push(seen())
  responder.handle('look', (payload) => {
    look()
    return payload
  })
  responder.handle(feed, async function* () {
    for (let n = 0; n < 4; n++) {
      look()
      yield null
    }
  })
  await known()
  await Promise.all([peer.request('look'), peer.request('look')])
  for await (const _ of peer.newStream(feed)) await new Promise(setImmediate)
  return views
}

const kinds: readonly LinkKind[] = ['ws', 'tcp', 'memory']
for (const kind of kinds) {
  for (const from of ['dialer', 'listener'] as const) {
    describe(`async contexts over ${kind}, called from the ${from}`, () => {
      it('are not those of the code that made the grid, or that calls', async () => {
        await onLink(kind, from, async (link) => {
          assert.deepEqual(
            await seenBy(link),
            Array.from({ length: 6 }, () => undefined)
          )
        })
      })

      it('are not those either after a reconnect that a call has caused', async () => {
        await onLink(kind, from, async (link) => {
          link.responder.handle('cut', (payload) => {
            context.run('the handler', () => link.cut())
            return payload
          })
          await link.known()
          await link.peer.request('cut').catch(() => undefined)
          await link.connected(2)
          assert.deepEqual(
            await seenBy(link),
            Array.from({ length: 6 }, () => undefined)
          )
        })
      })

      it('keep what a handler enters to that call, at each pull of what it returns', async () => {
        await onLink(kind, from, async ({ responder, peer, known }) => {
          let calls = 0
          responder.handle('enter', async (payload) => {
            assert.equal(seen(), undefined)
            const name = `request ${calls++}`
            context.enterWith(name)
            await new Promise(setImmediate)
            assert.equal(seen(), name)
            return payload
          })
          responder.handle(feed, () => {
            assert.equal(seen(), undefined)
            context.enterWith(`stream ${calls++}`)
            return (async function* () {
              for (let n = 0; n < 4; n++) yield seen() ?? null
            })()
          })
          await known()
          const read = async () => {
            const names: (string | null)[] = []
            for await (const name of peer.newStream(feed)) names.push(name)
            assert.equal(names.length, 4)
            assert.equal(new Set(names).size, 1)
            assert.match(String(names[0]), /^stream/)
          }
          for (let n = 0; n < 3; n++) {
            await Promise.all([peer.request('enter'), peer.request('enter'), read(), read()])
          }
          assert.equal(calls, 12)
        })
      })

      it('of requests are those in which their source was handed over, at each pull and at its end', async () => {
        await onLink(kind, from, async ({ responder, peer, known }) => {
          responder.handle(upload, async (_payload, requests) => {
            for await (const n of requests) if (n === 3) break
          })
          await known()
          const views: unknown[] = []
          const source = {
            [Symbol.asyncIterator]: () => source,
            async next() {
              views.push(seen())
              return { done: false as const, value: views.length }
            },
            async return() {
              views.push(seen())
              return { done: true as const, value: undefined }
            }
          }
          const stream = context.run('opener', () => peer.newStream(upload))
          await context.run('source', () => stream.sink(source)).catch(() => undefined)
          await until(() => views.length >= 4, 'the source was pulled and given back')
          await stream.closed
          assert.deepEqual([...new Set(views)], ['source'])
        })
      })

      it('of each many that is sent are those in which it was made, at each pull and at its end', async () => {
        await onLink(kind, from, async ({ responder, peer, known }) => {
          responder.handle(upload, async (_payload, requests) => {
            for await (const n of requests) if (n === 5) break
          })
          await known()
          const views: unknown[] = []
          function* values(from: number) {
            try {
              for (let n = from; n < from + 3; n++) {
                views.push(seen())
                yield n
              }
            } finally {
              views.push(seen())
            }
          }
          const stream = context.run('opener', () => peer.newStream(upload))
          const sends = ['first', 'second'].map((name, at) =>
            context.run(name, () => stream.send(many(values(1 + 3 * at))).catch(() => undefined))
          )
          await Promise.all(sends)
          await stream.closed
          assert.deepEqual(views.slice(0, 4), Array(4).fill('first'))
          assert.ok(views.length > 5, 'the second was pulled and given back')
          assert.deepEqual([...new Set(views.slice(4))], ['second'])
        })
      })

      it('are in the listeners of draining those in which it was read first', async () => {
        await onLink(kind, from, async ({ responder, peer, known }) => {
          const views: unknown[] = []
          responder.handle(feed, async function* (_payload, _requests, call) {
            context.enterWith('the call')
            call.draining.addEventListener('abort', () => views.push(seen()))
            yield 'it listens'
          })
          await known()
          const stream = context.run('user', () => peer.newStream(feed))
          await stream.responses.next()
          context.run('user', () => stream.draining).addEventListener('abort', () => views.push(seen()))
          const closed = responder.close()
          await until(() => views.length === 2, 'both are told')
          await stream.responses.next()
          await closed
          assert.deepEqual(new Set(views), new Set(['the call', 'user']))
        })
      })

      it('of a caller do not reach the listeners of the signal of a handler', async () => {
        await onLink(kind, from, async ({ responder, peer, known }) => {
          const started = new Gate()
          let view: string | undefined = 'not told'
          responder.handle('waits', async (payload, { signal }) => {
            context.enterWith('the call')
            signal.addEventListener('abort', () => {
              view = seen()
            })
            started.open()
            await once(signal, 'abort')
            return payload
          })
          await known()
          const cancel = new AbortController()
          const call = peer.request('waits', undefined, { signal: cancel.signal })
          await started.opened
          cancel.abort()
          await call.catch(() => undefined)
          await until(() => view !== 'not told', 'the handler is told')
          // Which of the two depends on the version of Node.
          assert.ok(view === undefined || view === 'the call', `it was ${view}`)
        })
      })
    })
  }
}

describe('the async context', () => {
  it('of a call is its own over the connection of a server to itself, whoever called first', async () => {
    await using grid = new Manager({ local: 'http://a.test', hosts: [], auth: insecure(), logger: silentLogger })
    grid.handle('look', () => new TextEncoder().encode(String(seen())))
    const look = async () => new TextDecoder().decode(await grid.connection(grid.local).request('look'))
    assert.equal(await context.run('user 1', look), 'undefined')
    assert.equal(await context.run('user 2', look), 'undefined')
  })

  it('of a maker or a call reaches no auth, dialer, logger, listener or later call', async () => {
    const views = new Map<string, Set<unknown>>()
    const look = (what: string) => void (views.get(what) ?? views.set(what, new Set()).get(what))?.add(seen())
    const log = () => look('logger')
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const auth = {
      prove: () => {
        look('prove')
        context.enterWith('auth')
        return new Uint8Array()
      },
      verify: () => {
        look('verify')
        context.enterWith('auth')
        return undefined
      }
    }
    const hosts = namesInOrder()
    const [local, remote] = hosts
    const grids: Manager[] = []
    const dialer = async () => {
      look('dialer')
      const [near, far] = memoryPair()
      context.run('incoming', () => grids[1]?.incomingConn(far))
      return near
    }
    const [a, b] = context.run('the maker', () =>
      [local, remote].map((name) => new Manager({ local: name, hosts, auth, dialer, logger }))
    ) as [Manager, Manager]
    grids.push(a, b)
    try {
      const peer = a.connection(remote)
      for (const connection of [peer, b.connection(local)]) {
        connection.on('state', () => {
          look('state')
          context.enterWith('a listener')
        })
      }
      b.handle('look', (payload) => {
        look('handler')
        return payload
      })
      a.handle('look', (payload) => {
        look('handler')
        return payload
      })
      await context.run('the caller', () => peer.request('look', undefined, { waitForReady: true }))
      await b.connection(local).request('look')
    } finally {
      await context.run('the closer', () => Promise.all([a.close(), b.close()]))
    }
    assert.deepEqual([...views.keys()].sort(), ['dialer', 'handler', 'logger', 'prove', 'state', 'verify'])
    for (const [what, each] of views) assert.deepEqual([...each], [undefined], what)
  })
})

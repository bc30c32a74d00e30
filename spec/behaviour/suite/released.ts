/**
 * Sources that nobody will read: whenever a stream ends, and whatever its source is, that is released at once, whether it was
 * read before or not.
 */

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { bytes, CancelledError, type GridStream, single, streaming } from '../../../lib/index.ts'
import { Gate } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'
import { idleSources, sources, type Watched } from '../watched-sources.ts'

type Upload = GridStream<Uint8Array, Uint8Array>

const raw = bytes()
const upload = streaming('upload', { request: raw, response: raw })
const silent = streaming<void, never, Uint8Array>('silent', { inCapacity: 0, response: raw })
const refusing = { ...raw, encode: () => assert.fail('it cannot be encoded') }

/** Ways in which a stream fails before it opens, or right after. */
const failures: Record<string, (link: Link) => Upload> = {
  'at an unknown handler': ({ peer }) => peer.newStream('absent'),
  'with a payload that cannot be encoded': ({ peer }) =>
    peer.newStream(streaming('upload', { payload: refusing, request: raw, response: raw }), new Uint8Array(1)),
  'with a timeout that is none': ({ peer }) => peer.newStream(upload, undefined, { timeout: -1 }),
  'with a signal that is none': ({ peer }) => peer.newStream(upload, undefined, { signal: {} as AbortSignal }),
  'with a payload that the peer would not take': ({ peer }) => peer.newStream('upload', new Uint8Array(2_000_000)),
  'with metadata that the peer would not take': ({ peer }) =>
    peer.newStream(upload, undefined, { metadata: { key: 'x'.repeat(20_000) } }),
  'with a signal that has aborted': ({ peer }) => peer.newStream(upload, undefined, { signal: AbortSignal.abort() }),
  'whose handler takes no requests': ({ peer }) => peer.newStream('silent'),
  'whose definition has no requests': ({ peer }) => peer.newStream(silent) as unknown as Upload,
  'whose requests have ended'({ peer }) {
    const stream = peer.newStream(upload)
    stream.requests.end()
    return stream
  },
  'that has another source'({ peer }) {
    const stream = peer.newStream(upload)
    stream.requests.push(new Uint8Array(1))
    return stream
  },
  'that is cancelled'({ peer }) {
    const stream = peer.newStream(upload)
    stream.cancel()
    return stream
  },
  'of a manager that is closing'({ caller, peer }) {
    caller.close({ timeout: 5 })
    return peer.newStream(upload)
  }
}

/** Ways in which a stream ends that is open. */
const ends: Record<string, (link: Link, stream: Upload, controller: AbortController) => unknown> = {
  'is cancelled': (_link, stream) => stream.cancel(),
  'is aborted': (_link, _stream, controller) => controller.abort(),
  'is left by its reader': (_link, stream) => stream.responses.return?.(),
  'loses its session': (link) => link.cut(),
  'is at a manager that closes': (link) => link.caller.close({ timeout: 5 }),
  'is at a peer that closes': (link) => link.responder.close({ timeout: 5 })
}

async function assertReleased(given: Map<string, Watched>): Promise<void> {
  for (const [kind, { released }] of given) await until(released, `${kind} is released`)
}

/** Each of `kinds` is the source of a stream of its own, which `open` makes. */
function giveAll(kinds: Record<string, () => Watched>, open: () => Upload) {
  const given = new Map(Object.entries(kinds).map(([kind, make]) => [kind, make()]))
  const streams: Upload[] = []
  for (const { source } of given.values()) {
    const stream = open()
    streams.push(stream)
    stream.sink(source).catch(() => undefined)
  }
  return { given, streams }
}

export function releasedFacts(fact: Fact): void {
  const limits = { maxMessageBytes: 1_000_000 }

  for (const [how, open] of Object.entries(failures)) {
    fact(
      `a source of any kind that is given to a stream ${how} is released`,
      async (link) => {
        link.responder.handle(upload, async (_payload, requests) => {
          for await (const _ of requests);
        })
        link.responder.handle(silent, () => [])
        await link.known()
        const { given, streams } = giveAll(sources, () => open(link))
        await assertReleased(given)
        for (const stream of streams) stream.cancel()
      },
      { limits }
    )
  }

  for (const [how, end] of Object.entries(ends)) {
    for (const moment of ['in the turn in which it is given', 'while it is read'] as const) {
      fact(`a source of any kind is released when its stream ${how} ${moment}`, async (link) => {
        link.responder.handle(upload, async (_payload, requests) => {
          for await (const _ of requests);
        })
        await link.known()
        const controller = new AbortController()
        const options = { signal: controller.signal }
        const { given, streams } = giveAll(sources, () => link.peer.newStream(upload, undefined, options))
        if (moment === 'while it is read') {
          await until(() => link.back.stats().session?.runningHandlers !== 0, 'the handlers run')
          for (let turns = 0; turns < 10; turns++) await turn()
        }
        for (const stream of streams) end(link, stream, controller)
        await assertReleased(given)
      })
    }
  }

  const handlerEnds: Record<string, (requests: AsyncIterableIterator<Uint8Array>) => unknown> = {
    'takes no more requests, and goes on': async (requests) => {
      await requests.return?.()
      await new Promise(() => undefined)
    },
    'fails to read a request, and goes on': async (requests) => {
      await requests.throw?.(new Error('not this one')).catch(() => undefined)
      await new Promise(() => undefined)
    },
    returns: () => undefined,
    fails: () => assert.fail('not today')
  }
  for (const [how, run] of Object.entries(handlerEnds)) {
    fact(`a source of any kind is released when the handler that reads it ${how}`, async (link) => {
      const gate = new Gate()
      link.responder.handle(upload, async (_payload, requests) => {
        await gate.opened
        await run(requests)
      })
      await link.known()
      const { given, streams } = giveAll(sources, () => link.peer.newStream(upload))
      await until(() => link.back.stats().session?.runningHandlers === streams.length, 'the handlers run')
      for (let turns = 0; turns < 10; turns++) await turn()
      gate.open()
      await assertReleased(given)
      if (/goes on/.test(how)) await link.abandon()
    })
  }

  fact('a source that ends its own stream while it is pulled is released', async (link) => {
    link.responder.handle(upload, async (_payload, requests) => {
      for await (const _ of requests);
    })
    await link.known()
    for (const fails of [false, true]) {
      const stream = link.peer.newStream(upload)
      let released = 0
      const source = (function* () {
        try {
          yield new Uint8Array(1)
          stream.cancel(new Error('enough of it'))
          if (fails) throw new Error('and more than that')
          yield new Uint8Array(1)
        } finally {
          released++
        }
      })()
      await assert.rejects(stream.sink(source), /enough of it/)
      await until(() => released === 1, 'it is released')
    }
  })

  handlerFacts(fact)
}

function handlerFacts(fact: Fact): void {
  fact('what a handler returns after its caller has gone is released, whatever it is', async (link) => {
    const gate = new Gate()
    const given = new Map<string, Watched>()
    let running = 0
    link.responder.handle(streaming('late', { inCapacity: 0, payload: raw, response: raw }), async (kind) => {
      running++
      await gate.opened
      const name = Buffer.from(kind).toString()
      const made = sources[name]?.() as Watched
      given.set(name, made)
      return made.source
    })
    await link.known()
    const kinds = Object.keys(sources)
    const streams = kinds.map((kind) => link.peer.newStream('late', Buffer.from(kind)))
    await until(() => running === kinds.length, 'the handlers run')
    for (const stream of streams) stream.cancel()
    await until(() => link.back.stats().session?.inboundStreams === 0, 'the handlers are told')
    gate.open()
    await until(() => given.size === kinds.length, 'the handlers have returned')
    await assertReleased(given)
    // One whose return() never settles counts as running.
    await link.abandon()
  })

  const losses: Record<string, (stream: GridStream<never, Uint8Array>, link: Link) => unknown> = {
    'cancels the call': (stream) => stream.cancel(),
    'is lost': (_stream, link) => link.cut(),
    'closes its manager': (_stream, link) => link.caller.close({ timeout: 5 }),
    'is told that the handler is closing': (_stream, link) => link.responder.close({ timeout: 5 }),
    'has no more time': () => undefined
  }
  for (const [how, lose] of Object.entries(losses)) {
    fact(`an idle source that a handler returned is released at once when its caller ${how}`, async (link) => {
      const given = new Map(Object.entries(idleSources).map(([kind, make]) => [kind, make()]))
      const left = [...given.values()]
      link.responder.handle(silent, () => left.pop()?.source)
      await link.known()
      const options = how === 'has no more time' ? { timeout: 50 } : {}
      const streams = [...given].map(() => link.peer.newStream(silent, undefined, options))
      await until(() => left.length === 0, 'the handlers have returned')
      for (let turns = 0; turns < 10; turns++) await turn()
      for (const stream of streams) lose(stream, link)
      await assertReleased(given)
      // An iterator whose next() never settles counts as running.
      await link.abandon()
    })
  }

  fact('what a handler returns and cannot be sent is released', async (link) => {
    const kinds = ['a file', 'a Node stream', 'a web stream']
    const given = new Map(kinds.map((kind) => [kind, sources[kind]?.() as Watched]))
    const left = [...given.values()]
    const one = single('one', { response: raw })
    link.responder.handle(one, () => left.pop()?.source as never)
    await link.known()
    for (const _ of kinds) await assert.rejects(link.peer.request(one), { name: 'RemoteError' })
    assert.equal(left.length, 0)
    await assertReleased(given)
    const gate = new Gate()
    const late = sources['a file']?.() as Watched
    link.responder.handle('late', () => gate.opened.then(() => late.source as never))
    await link.known()
    await assert.rejects(link.peer.request('late', undefined, { timeout: 5 }), { name: 'DeadlineError' })
    await until(() => link.back.stats().session?.inboundStreams === 0, 'the handler is told')
    gate.open()
    await until(late.released, 'a file that is no answer is released')
  })

  fact(
    'a stream of values that cannot be sent is released, and so is one that no call may answer with',
    async (link) => {
      const chunks = streaming('chunks', { inCapacity: 0, response: raw })
      const none = streaming('none', { inCapacity: 0, outCapacity: 0, response: raw })
      const made: ReadableStream[] = []
      let cancels = 0
      const give = () => {
        const cancel = () => {
          cancels++
        }
        const stream = new ReadableStream({ start: (controller) => controller.enqueue(7), cancel })
        made.push(stream)
        return stream
      }
      link.responder.handle(chunks, give)
      link.responder.handle(none, give)
      await link.known()
      for (const definition of [chunks, none]) {
        await assert.rejects(link.peer.newStream(definition).responses.next(), { name: 'RemoteError' })
      }
      await until(() => cancels === 2, 'both are cancelled')
      for (const { locked } of made) assert.equal(locked, false)
    }
  )

  fact('a web stream that another reader holds is refused, and left to that', async (link) => {
    link.responder.handle(upload, async (_payload, requests) => {
      for await (const _ of requests);
    })
    await link.known()
    const source = new ReadableStream<Uint8Array>({ cancel: () => assert.fail('it was cancelled') })
    const reader = source.getReader()
    const stream = link.peer.newStream(upload)
    await assert.rejects(stream.sink(source), TypeError)
    const gone = link.peer.newStream(upload)
    gone.cancel()
    await assert.rejects(gone.sink(source), CancelledError)
    reader.releaseLock()
  })
}

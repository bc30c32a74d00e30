/** What is published of calls and events, where somebody has subscribed, and what that does to calls: nothing. */

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import {
  authorize,
  type CallMessage,
  CancelledError,
  channels,
  type GridEvent,
  RemoteError,
  single,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { type Link, type LinkOptions, openLink, useLink } from '../support/grid/links.ts'
import { root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const echo = single<string, string>('echo')
const names = streaming<void, never, string>('names', { inCapacity: 0, outCapacity: 2 })
const sum = streaming<void, number, number>('sum', { inCapacity: 2, outCapacity: 2 })

type Name = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'

/** What is published on a tracing channel while a spec runs: the events of each call, in their order. */
function record(test: TestContext, target: typeof channels.call) {
  const calls = new Map<CallMessage, Name[]>()
  const add = (name: Name) => (call: CallMessage) => {
    calls.set(call, [...(calls.get(call) ?? []), name])
  }
  const subscribers = {
    start: add('start'),
    end: add('end'),
    asyncStart: add('asyncStart'),
    asyncEnd: add('asyncEnd'),
    error: add('error')
  }
  target.subscribe(subscribers)
  test.after(() => target.unsubscribe(subscribers))
  return {
    calls,
    /** Those of a handler that have ended. */
    ended: (handler: string) =>
      [...calls].filter(([call, events]) => call.handler === handler && events.includes('asyncEnd'))
  }
}

/** What a process of its own prints, which hears of what subscribers throw. */
async function runProgram(program: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, [...sourceArgs, '--input-type=module', '--eval', program], {
    cwd: root,
    timeout: paced(20_000),
    env: childEnvironment()
  })
  return JSON.parse(stdout)
}

/** Of other specs there are no calls of these names: a file has a process of its own. */
const onLink = async (options: LinkOptions, body: (link: Link) => Promise<void>) =>
  useLink(await openLink('ws', 'dialer', options), body)

const success: Name[] = ['start', 'end', 'asyncStart', 'asyncEnd']
const failure: Name[] = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

describe('the tracing channels', () => {
  it('publish a request at both ends, with one message each', async (test) => {
    const [called, handled] = [record(test, channels.call), record(test, channels.handle)]
    await onLink({}, async (link) => {
      link.responder.handle(echo, (text) => `${text}!`, { subroute: 'x' })
      await link.known()
      const started = Date.now()
      await link.peer.subroute('x').request(echo, 'abc', { metadata: { a: 1 }, timeout: 5000 })
      await until(() => handled.ended('echo').length === 1, 'it has ended there')
      const common = { kind: 'single', handler: 'echo', subroute: 'x', metadata: { a: 1 }, outcome: undefined }
      for (const [{ ended }, side, at, peer] of [
        [called, 'caller', link.caller, link.responder],
        [handled, 'handler', link.responder, link.caller]
      ] as const) {
        const [[call, events] = assert.fail(side)] = ended('echo')
        assert.deepEqual(events, success)
        const { deadline = 0, outcome, ...rest } = call
        assert.ok(Math.abs(deadline - started - 5000) < 1000, `${deadline}`)
        assert.deepEqual(
          { ...rest, outcome: undefined },
          {
            side,
            local: at.local,
            host: peer.local,
            instance: peer.instance,
            error: undefined,
            run: undefined,
            ...common
          }
        )
        const { durationMs = -1, ...counts } = outcome ?? {}
        assert.ok(durationMs >= 0)
        const bytes = side === 'caller' ? { bytesOut: 4, bytesIn: 5 } : { bytesOut: 5, bytesIn: 4 }
        const expected = { code: 'OK', delivery: undefined, messagesIn: 1, messagesOut: 1, ...bytes, attempts: 1 }
        assert.deepEqual(counts, expected)
        assert.equal(call.signal.aborted, false)
      }
    })
  })

  it('publish a stream until its end, with the messages both ways', async (test) => {
    const [called, handled] = [record(test, channels.call), record(test, channels.handle)]
    await onLink({}, async (link) => {
      link.responder.handle(sum, async function* (_payload, requests) {
        for await (const n of requests) if (n % 2 === 0) yield n
      })
      await link.known()
      const stream = link.peer.newStream(sum)
      const sinking = stream.sink([1, 2, 3, 4, 5])
      assert.equal(called.ended('sum').length, 0)
      for await (const _ of stream);
      await sinking
      await until(() => called.ended('sum').length + handled.ended('sum').length === 2, 'it has ended')
      const [[, [out]], [, [back]]] = [
        ['caller', called.ended('sum').map(([{ outcome }]) => outcome)],
        ['handler', handled.ended('sum').map(([{ outcome }]) => outcome)]
      ] as const
      assert.deepEqual([out?.messagesOut, out?.messagesIn, out?.code], [5, 2, 'OK'])
      assert.deepEqual([back?.messagesOut, back?.messagesIn, back?.code], [2, 5, 'OK'])
      assert.deepEqual([out?.bytesOut, out?.bytesIn], [back?.bytesIn, back?.bytesOut])
    })
  })

  it('publish what a call failed with, at both ends', async (test) => {
    const [called, handled] = [record(test, channels.call), record(test, channels.handle)]
    const handlers = { handler: [authorize(({ metadata }) => metadata.no !== 1)] }
    await onLink({ interceptors: handlers }, async (link) => {
      link.responder.handle(echo, async (text, { signal }) => {
        if (text === 'wait')
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        throw Object.assign(new Error('no'), { code: 'E_NO' })
      })
      await link.known()
      await assert.rejects(link.peer.request(echo, 'x'), RemoteError)
      await assert.rejects(link.peer.request(echo, 'x', { metadata: { no: 1 } }))
      const gone = new AbortController()
      const waiting = link.peer.request(echo, 'wait', { signal: gone.signal })
      await until(() => link.back.stats().session?.inboundStreams === 1, 'it waits')
      gone.abort(new Error('not wanted'))
      await assert.rejects(waiting, /not wanted/)
      await until(() => handled.ended('echo').length >= 3, 'all have ended')
      const told = ({ ended }: typeof called) =>
        ended('echo').map(([{ outcome }, events]) => [outcome?.code, outcome?.delivery, events.join()])
      const events = failure.join()
      assert.deepEqual(told(called).slice(0, 3), [
        ['E_NO', 'ran', events],
        ['ERR_REJECTED', 'notSent', events],
        ['ERR_CANCELLED', undefined, events]
      ])
      assert.deepEqual(told(handled).slice(0, 3), [
        ['E_NO', undefined, events],
        ['ERR_REJECTED', 'notSent', events],
        ['ERR_CANCELLED', undefined, events]
      ])
      const [, , [cancelled] = assert.fail()] = handled.ended('echo')
      assert.ok(cancelled.error instanceof CancelledError && cancelled.signal.aborted)
    })
  })

  it('publish a call that was tried three times, or answered here, as one', async (test) => {
    const called = record(test, channels.call)
    let tries = 0
    const again = {
      caller: [
        {
          async single(call: { payload: unknown }, next: () => Promise<unknown>) {
            if (call.payload === 'here') return 'here'
            for (;;) {
              try {
                return await next()
              } catch (error) {
                if (!RemoteError.is(error)) throw error
              }
            }
          }
        }
      ]
    }
    await onLink({ interceptors: again }, async (link) => {
      link.responder.handle(echo, (text) => {
        if (++tries < 3) throw new Error('not yet')
        return text
      })
      await link.known()
      await link.peer.request(echo, 'x')
      await link.peer.request(echo, 'here')
      assert.deepEqual(
        called.ended('echo').map(([{ outcome }]) => [outcome?.code, outcome?.attempts, outcome?.messagesOut]),
        [
          ['OK', 3, 1],
          ['OK', 0, 1]
        ]
      )
    })
  })

  it('send what a subscriber of start puts into the metadata, to a handler that runs in the stores of its start', async (test) => {
    const store = new AsyncLocalStorage<unknown>()
    const onStart = (message: unknown) => {
      ;(message as CallMessage).metadata.traceparent = 'from here'
    }
    channels.call.start.subscribe(onStart)
    channels.handle.start.bindStore(store, (message) => (message as CallMessage).metadata.traceparent)
    test.after(() => {
      channels.call.start.unsubscribe(onStart)
      channels.handle.start.unbindStore(store)
    })
    const seen: unknown[] = []
    await onLink({}, async (link) => {
      link.responder.handle(echo, async (text) => {
        await undefined
        seen.push(store.getStore())
        return text
      })
      link.responder.handle(sum, async function* () {
        for (let n = 0; n < 3; n++) {
          seen.push(store.getStore())
          yield n
        }
      })
      await link.known()
      seen.length = 0
      await link.peer.request(echo, 'x', { metadata: { own: true } })
      for await (const _ of link.peer.newStream(sum));
      assert.deepEqual(seen, ['from here', 'from here', 'from here', 'from here'])
    })
  })

  it('send no metadata where a subscriber of start has taken all of it out', async (test) => {
    const onStart = (message: unknown) => {
      delete (message as CallMessage).metadata.secret
    }
    channels.call.start.subscribe(onStart)
    test.after(() => channels.call.start.unsubscribe(onStart))
    await onLink({}, async (link) => {
      link.responder.handle(echo, (_, { metadata }) => Object.keys(metadata).join())
      link.responder.handle(names, async function* (_, __, { metadata }) {
        yield Object.keys(metadata).join()
      })
      await link.known()
      assert.equal(await link.peer.request(echo, 'x', { metadata: { secret: 's' } }), '')
      for await (const keys of link.peer.newStream(names, undefined, { metadata: { secret: 's' } }))
        assert.equal(keys, '')
    })
  })

  const nonsense: readonly ((message: { metadata: unknown }) => void)[] = [
    (message) => {
      message.metadata = null
    },
    (message) => {
      message.metadata = 5
    },
    (message) => {
      message.metadata = { key: () => 1 }
    },
    (message) => {
      message.metadata = new Proxy({}, { ownKeys: () => assert.fail('not to be read') })
    }
  ]
  it('publish the end of a call whose metadata a subscriber has made into nonsense: it was not sent', async (test) => {
    const seen = record(test, channels.call)
    await onLink({}, async (link) => {
      link.responder.handle(echo, (text) => text)
      link.responder.handle(names, () => [])
      await link.known()
      for (const spoil of nonsense) {
        seen.calls.clear()
        channels.call.start.subscribe(spoil as never)
        try {
          await assert.rejects(link.peer.request(echo, 'x'), Error)
          await assert.rejects(link.peer.newStream(names).responses.next(), Error)
        } finally {
          channels.call.start.unsubscribe(spoil as never)
        }
        await until(() => [...seen.calls.values()].every((events) => events.includes('asyncEnd')), 'both have ended')
        assert.deepEqual([...seen.calls.values()], [failure, failure])
        for (const { outcome } of seen.calls.keys()) assert.equal(outcome?.attempts, 0)
      }
      assert.equal(await link.peer.request(echo, 'x'), 'x')
    })
  })

  for (const whose of ['the caller', 'a subscriber of start']) {
    it(`fail a call by the key of its metadata that throws when it is read, put there by ${whose}`, async (test) => {
      record(test, channels.call)
      const trap = { enumerable: true, get: () => assert.fail('a text that may be secret') }
      const spoil = (message: unknown) => Object.defineProperty((message as CallMessage).metadata, 'trap', trap)
      await onLink({}, async (link) => {
        link.responder.handle(echo, (text) => text)
        link.responder.handle(names, () => [])
        await link.known()
        if (whose !== 'the caller') {
          channels.call.start.subscribe(spoil)
          test.after(() => channels.call.start.unsubscribe(spoil))
        }
        const metadata = whose === 'the caller' ? Object.defineProperty({}, 'trap', trap) : { own: 1 }
        for (const call of [
          link.peer.request(echo, 'x', { metadata }),
          link.peer.newStream(names, undefined, { metadata }).responses.next()
        ]) {
          await assert.rejects(call, {
            name: 'CodecError',
            message: 'the value cannot be encoded: metadata.trap threw when read',
            delivery: 'notSent'
          })
        }
      })
    })
  }

  it('publish the end of a call whose message a subscriber has frozen, which goes on', async (test) => {
    const seen = [record(test, channels.call), record(test, channels.handle)]
    const { start: atCaller } = channels.call
    const { start: atHandler } = channels.handle
    for (const start of [atCaller, atHandler]) start.subscribe(Object.freeze)
    test.after(() => {
      for (const start of [atCaller, atHandler]) start.unsubscribe(Object.freeze)
    })
    await onLink({}, async (link) => {
      link.responder.handle(echo, (text) => text)
      await link.known()
      assert.equal(await link.peer.request(echo, 'x'), 'x')
      for (const { ended } of seen) await until(() => ended('echo').length === 1, 'it has ended')
    })
  })

  it('are those of Node by their names', () => {
    assert.equal(channels.call.start, tracingChannel('it-grid:call').start)
    assert.equal(channels.handle.asyncEnd, tracingChannel('it-grid:handle').asyncEnd)
    for (const name of ['connection', 'refused', 'reset'] as const) {
      assert.equal(channels[name], channel(`it-grid:${name}`))
      assert.equal(channels[name].hasSubscribers, false)
    }
  })

  it('take a subscriber that throws as Node does: the process hears of it, the call and other subscribers do not', async () => {
    const program = `
      import { channels, Manager, insecure, single } from 'it-grid'
      const told = []
      process.on('uncaughtException', (error) => told.push(error.message))
      const echo = single('echo')
      const host = 'http://127.0.0.1:1'
      const grid = new Manager({ local: host, hosts: [host], auth: insecure() })
      grid.handle(echo, (text) => text)
      const others = []
      for (const at of ['call', 'handle']) {
        for (const name of ['start', 'end', 'asyncStart', 'asyncEnd']) {
          channels[at][name].subscribe(() => { throw new Error(at + ' ' + name) })
          channels[at][name].subscribe(() => others.push(at + ' ' + name))
        }
      }
      const answer = await grid.connection(host).request(echo, 'x')
      await grid.close()
      while (told.length < 8) await new Promise(setImmediate)
      console.log(JSON.stringify([answer, told.length, others.length]))
    `
    assert.deepEqual(await runProgram(program), ['x', 8, 8])
  })
})

describe('`run` of a call message', () => {
  const noCall = 'run of a call message must call the function that it is given'
  /** What is run, and what the process hears of it. */
  const runs = [
    ["() => { throw new Error('first') }", 'first'],
    ["(fn) => { fn(); throw new Error('later') }", 'later'],
    ['() => {}', noCall],
    ['(fn) => { fn(); return fn() }'],
    ['(fn) => { fn(); return 5 }'],
    ['5', 'this.message.run is not a function'],
    ["{ get() { throw new Error('unread') } }", 'unread']
  ]
  it('that throws, also when it is read, does not call, calls twice or is none is told to the process: calls go on, once, and no other is hurt', async () => {
    const program = `
      import { channels, Manager, insecure, streaming } from 'it-grid'
      let told = []
      process.on('uncaughtException', (error) => told.push(error.message))
      const host = 'http://127.0.0.1:1'
      const grid = new Manager({ local: host, hosts: [host], auth: insecure() })
      const feed = streaming('feed', { inCapacity: 0, outCapacity: 2 })
      let ran = 0
      let open
      grid.handle('echo', (bytes) => { ran++; return bytes })
      grid.handle('held', () => new Promise((resolve) => { open = resolve }))
      grid.handle(feed, async function* () { ran++; yield 1; yield 2 })
      const peer = grid.connection(host)
      const results = []
      const calls = async (at, run) => {
        const answers = []
        let ended = 0
        const start = (message) => {
          if (typeof run === 'object') Object.defineProperty(message, 'run', run)
          else message.run = run
        }
        const end = () => ended++
        const held = peer.request('held')
        while (open === undefined) await new Promise(setImmediate)
        channels[at].start.subscribe(start)
        channels[at].asyncEnd.subscribe(end)
        answers.push((await peer.request('echo', Buffer.of(1))).length)
        for await (const value of peer.newStream(feed)) answers.push(value)
        while (ended < 2) await new Promise(setImmediate)
        channels[at].start.unsubscribe(start)
        channels[at].asyncEnd.unsubscribe(end)
        open(Buffer.of(1, 2, 3))
        answers.push((await held).length)
        results.push([answers.join(), ran, ...told])
        ran = 0
        told = []
        open = undefined
      }
      for (const run of [${runs.map(([code]) => code).join()}]) for (const at of ['call', 'handle']) await calls(at, run)
      await grid.close()
      console.log(JSON.stringify(results))
    `
    const expected = runs.map(([, told]) => ['1,1,2,3', 2, ...(told === undefined ? [] : [told, told])])
    assert.deepEqual(
      await runProgram(program),
      expected.flatMap((each) => [each, each])
    )
  })
})

describe('the channels of events', () => {
  it('publish the states of connections, refusals and resets, as recent has them', async (test) => {
    const events: GridEvent[] = []
    const listen = (event: GridEvent) => void events.push(event)
    for (const name of ['connection', 'refused', 'reset'] as const) {
      const target = channels[name] as typeof channels.connection
      target.subscribe(listen)
      test.after(() => target.unsubscribe(listen))
    }
    const handlers = { handler: [authorize(({ metadata }) => metadata.no !== 1)] }
    await onLink({ interceptors: handlers }, async (link) => {
      link.responder.handle(
        echo,
        (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('')))
      )
      await link.known()
      await assert.rejects(link.peer.request(echo, 'x', { metadata: { no: 1 } }))
      await assert.rejects(link.peer.request(echo, 'x', { timeout: 20 }))
      const ends = [link.peer, link.back].map(({ recent }) => recent)
      await until(() => events.filter(({ type }) => type === 'reset').length === 2, 'both ends tell of the reset')
      const byNumber = (local: string) => events.filter((event) => event.local === local)
      for (const [at, { recent }] of [link.peer, link.back].entries()) {
        assert.deepEqual(byNumber([link.caller, link.responder][at]?.local ?? ''), recent, `${ends.length}`)
      }
      assert.deepEqual(
        events
          .flatMap((event) => (event.type === 'refused' ? [[event.direction, event.reason, event.handler]] : []))
          .sort(),
        [
          ['inbound', 'denied', 'echo'],
          ['outbound', 'denied', 'echo']
        ]
      )
    })
  })
})

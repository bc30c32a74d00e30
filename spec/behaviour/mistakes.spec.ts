/**
 * Handlers that throw by mistake: their own server logs it, with where it was, and counts it. What is meant stays between
 * handler and caller.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import { runInNewContext } from 'node:vm'
import {
  authorize,
  GridError,
  type HandlerContext,
  type HandlerInterceptor,
  introspection,
  type LogFields,
  type Logger,
  type ManagerOptions,
  many,
  RejectedError,
  type StreamingHandler,
  single,
  streaming
} from '../../lib/index.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const fail = single<string, unknown>('fail')
const feed = streaming<string, never, unknown>('feed', { inCapacity: 0 })
const none = undefined as unknown as { name: string }

/** What handlers do, by the word that the caller sends. */
const mistakes: Readonly<Record<string, (word: string) => unknown>> = {
  'a property of undefined': () => none.name,
  'a property of undefined, later': async () => none.name,
  'a variable that there is not': () => runInNewContext('missing + 1'),
  'an array of no length': () => new Array(-1),
  'a response that cannot be encoded': () => () => undefined
}
const meant: Readonly<Record<string, (word: string) => unknown>> = {
  'an Error': (word) => Promise.reject(new Error(word)),
  'a TypeError with a code': () => {
    throw Object.assign(new TypeError('no'), { code: 'E_MINE' })
  },
  'an error of Node': () => readFile(undefined as never),
  'an error of ours': () => {
    throw new GridError('E_OURS', 'no')
  },
  'JSON that is none': (word) => JSON.parse(word),
  'no error at all': () => Promise.reject(undefined),
  'an error that throws when it is read': () => {
    throw new Proxy(new TypeError('no'), {
      get() {
        throw new Error('not to be read')
      }
    })
  }
}

async function connected(test: TestContext, options: Partial<ManagerOptions> = {}) {
  const lines: { readonly text: string; readonly fields: LogFields | undefined }[] = []
  const drop = () => undefined
  const error = (text: string, fields?: LogFields) => void lines.push({ text, fields })
  const logger: Logger = { debug: drop, info: drop, warn: drop, error }
  const pair = await new Servers(test).pair({}, { logger, ...options })
  const { manager } = pair.listener
  const act = (word: string) => (mistakes[word] ?? meant[word])?.(word)
  manager.handle(fail, act, { subroute: 'disk1' })
  manager.handle(feed, async function* (word) {
    yield 'first'
    yield await act(word)
  })
  await pair.there.waitForConnect()
  const counted = () => manager.stats().served.map((each) => each.mistakes)
  return { ...pair, lines, counted }
}

describe('a handler that fails by mistake', () => {
  for (const word of Object.keys(mistakes)) {
    it(`is logged with its stack, its name and its caller: ${word}`, async (test) => {
      const { there, dialer, listener, back, lines, counted } = await connected(test)
      await rejection(there.subroute('disk1').request(fail, word))
      assert.equal(lines.length, 1)
      const [{ text, fields } = assert.fail('no line')] = lines
      const [first, ...frames] = text.split('\n')
      assert.match(first ?? '', /^the handler "fail" under "disk1" failed at a call of http:\/\/a\d* by \w+Error: ./)
      assert.ok(frames.length > 0 && frames.every((frame) => frame.startsWith('    at ')), text)
      if (!word.includes('encoded')) assert.match(text, /mistakes\.spec\.ts/)
      const { error, ...others } = fields ?? {}
      const [host, instance] = [dialer.name, dialer.manager.instance]
      assert.deepEqual(others, { host, instance, handler: 'fail', subroute: 'disk1' })
      assert.ok(error instanceof Error || Object.prototype.toString.call(error) === '[object Error]')
      assert.deepEqual(counted(), [1, 0])
      assert.equal(back.stats().served.mistakes, 1)
      assert.equal(listener.manager.stats().served[0]?.errors.ERR_REMOTE ?? 1, 1)
    })
  }

  it('is logged when it is a generator, which fails amid its responses', async (test) => {
    const { there, lines } = await connected(test)
    const stream = there.newStream(feed, 'a property of undefined')
    assert.equal((await stream.responses.next()).value, 'first')
    await rejection(stream.responses.next())
    assert.match(lines[0]?.text ?? '', /^the handler "feed" failed at a call of .* by TypeError/)
  })

  it('is logged when nobody waits for its answer any more, and when it fails while it is unwound', async (test) => {
    const { there, listener, lines } = await connected(test)
    const hung = single<void, void>('hung')
    listener.manager.handle(hung, async (_, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      none.name.trim()
    })
    const endless = streaming<void, never, number>('endless', { inCapacity: 0 })
    listener.manager.handle(endless, async function* () {
      try {
        for (;;) yield 1
      } finally {
        none.name.trim()
      }
    })
    await rejection(there.request(hung, undefined, { timeout: 30, waitForReady: true }))
    await until(() => lines.length === 1, 'the late one is logged')
    for await (const _ of there.newStream(endless, undefined, { waitForReady: true })) break
    await until(() => lines.length === 2, 'the unwound one is logged')
    assert.match(lines.map(({ text }) => text).join(), /"hung".*"endless"/s)
  })

  const around: Readonly<Record<string, readonly HandlerInterceptor[]>> = {
    'with none': [],
    'with one that passes them on': [{ streaming: (_, next) => next() }],
    'with one that waits for a rule': [authorize(async () => true)],
    'with one that looks at them': [
      {
        async *streaming(_, next) {
          for await (const message of next()) yield message
        }
      }
    ]
  }
  const hung = streaming<void, never, number>('hung', { inCapacity: 0 })
  type Hung = StreamingHandler<void, never, number>
  const whenLeft = ({ signal }: HandlerContext) => new Promise((resolve) => signal.addEventListener('abort', resolve))

  async function toldOnce(test: TestContext, fn: Hung, interceptors: readonly HandlerInterceptor[], givesNone = false) {
    const { there, listener, lines, counted } = await connected(test)
    listener.manager.handle(hung, fn, { interceptors })
    const stream = there.newStream(hung, undefined, { waitForReady: true })
    const first = Promise.allSettled([stream.responses.next()])
    await until(() => listener.manager.stats().inboundStreams === 1, 'it runs')
    if (givesNone) stream.cancel()
    await first
    stream.cancel()
    await until(() => lines.length > 0, 'it is logged')
    assert.match(lines[0]?.text ?? '', /^the handler "hung" failed at a call of \S+ by TypeError: /)
    await until(() => listener.manager.stats().inboundStreams === 0, 'it has ended')
    assert.deepEqual([lines.length, counted().at(-1)], [1, 1])
  }

  for (const [what, interceptors] of Object.entries(around)) {
    it(`is logged when it fails amid a response that nobody waits for any more, ${what}`, async (test) => {
      const fn: Hung = async function* (_, __, context) {
        yield 1
        await whenLeft(context)
        yield none.name.length
      }
      await toldOnce(test, fn, interceptors)
    })

    it(`is logged when it fails while it is unwound amid a response, ${what}`, async (test) => {
      const fn: Hung = async function* (_, __, context) {
        try {
          yield 1
          await whenLeft(context)
          yield 2
        } finally {
          none.name.trim()
        }
      }
      await toldOnce(test, fn, interceptors)
    })

    it(`is logged when it fails before it gives its responses, for which nobody waits any more, ${what}`, async (test) => {
      const fn: Hung = async (_, __, context) => {
        await whenLeft(context)
        return [none.name.length]
      }
      await toldOnce(test, fn, interceptors, true)
    })

    it(`is logged when what it gave at once fails while that is unwound, ${what}`, async (test) => {
      const fn: Hung = function* () {
        const endless = function* () {
          try {
            for (;;) yield 1
          } finally {
            none.name.trim()
          }
        }
        yield many(endless())
      }
      await toldOnce(test, fn, interceptors)
    })
  }

  it('is logged with the place where a codec of its own threw, each place by itself', async (test) => {
    const { there, listener, lines } = await connected(test)
    const encode = (value: unknown) => (value === 'first' ? none.name : none.name.trim()) as never
    const own = single<string, unknown>('own', { response: { encode, decode: () => undefined } })
    const feedOwn = streaming<string, never, unknown>('feedOwn', { inCapacity: 0, response: own.response })
    listener.manager.handle(own, (word) => word)
    listener.manager.handle(feedOwn, (word) => [word])
    await until(() => there.handlers.length === 4, 'they are known')
    await rejection(there.request(own, 'first'))
    await rejection(there.request(own, 'second'))
    await rejection(there.newStream(feedOwn, 'second').responses.next())
    assert.equal(lines.length, 3, 'two places of one handler are two')
    for (const { text } of lines) assert.match(text.split('\n')[1] ?? '', /mistakes\.spec\.ts/)
  })

  it('is logged ever more rarely, each place of it by itself', async (test) => {
    const { there, lines, counted } = await connected(test)
    const call = (word: string) => rejection(there.subroute('disk1').request(fail, word))
    for (let n = 0; n < 20; n++) await call('a property of undefined')
    assert.equal(lines.length, 5, '1, 2, 4, 8, 16')
    assert.match(lines[4]?.text ?? '', /\(16 times so far\)$/m)
    await call('an array of no length')
    assert.equal(lines.length, 6)
    assert.deepEqual(counted(), [21, 0])
  })
})

describe('a rule that does not decide', () => {
  it('is told to its server when a call ends that has waited for it for a second, whatever the rule is of, and not before', async (test) => {
    let asked = 0
    const rule = () => new Promise<boolean>(() => void asked++)
    const { there, listener, lines } = await connected(test, { introspection: rule })
    const { manager } = listener
    const [one, many] = [single<void, number>('one'), streaming<void, never, number>('many', { inCapacity: 0 })]
    manager.handle(one, () => 1, { interceptors: [authorize(rule)] })
    manager.handle(many, () => [1], { interceptors: [authorize(rule)] })
    const callFor = async (ms: number) => {
      asked = 0
      const stop = new AbortController()
      const options = { signal: stop.signal, waitForReady: true }
      const stream = there.newStream(many, undefined, options)
      const calls = [
        there.request(one, undefined, options),
        introspection.on(there).ping(undefined, options),
        stream.responses.next()
      ].map(rejection)
      await until(() => asked === 3, 'they are asked')
      // From here on all of them certainly wait.
      const sinceMs = performance.now()
      await until(() => performance.now() - sinceMs >= ms, 'they have waited')
      stop.abort()
      await Promise.all(calls)
      await until(() => manager.stats().inboundStreams === 0, 'the server knows')
    }
    await callFor(0)
    assert.deepEqual(lines, [])
    await callFor(1010)
    await until(() => lines.length === 3, 'each is told')
    const told = lines.map(({ text }) =>
      /"(\w+)" .*by InvalidOptionError: (.*) had not decided after (\d+) ms/.exec(text)
    )
    assert.deepEqual(told.map((each) => each?.slice(1, 3)).sort(), [
      ['many', 'the rule of authorize()'],
      ['one', 'the rule of authorize()'],
      ['ping', 'the rule of introspection']
    ])
    for (const each of told) assert.ok(Number(each?.[3]) >= 1000)
    await callFor(0)
    assert.equal(lines.length, 3)
  })
})

type AnyRule = () => boolean | PromiseLike<boolean>

describe('a rule that fails', () => {
  const answer = (value: unknown): AnyRule => (() => value) as never
  const raise = (error: unknown): AnyRule => {
    return () => {
      throw error
    }
  }
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const goingAway = new RejectedError('goingAway', 'the server of users is going away')
  const threw = ' threw: '
  const rules: Readonly<Record<string, readonly [rule: AnyRule, name: string, text: string]>> = {
    'an Error': [raise(new Error('no')), 'Error', `${threw}no`],
    'a rejection': [() => Promise.reject(new Error('no')), 'Error', `${threw}no`],
    'an error with a code': [raise(refused), 'Error', `${threw}connect ECONNREFUSED`],
    'an error of a call of its own': [raise(goingAway), 'RejectedError', `${threw}the server of users is going away`],
    'no error at all': [() => Promise.reject(undefined), 'an error', `${threw}undefined`],
    'the answer "yes"': [answer('yes'), 'InvalidOptionError', ' must answer true or false; its answer is a string'],
    'no answer, later': [
      answer(Promise.resolve()),
      'InvalidOptionError',
      ' must answer true or false; its answer is undefined'
    ]
  }

  async function callAll(test: TestContext, rule: AnyRule) {
    const { there, listener, lines, counted } = await connected(test, { introspection: rule })
    const [one, many] = [single<void, number>('one'), streaming<void, never, number>('many', { inCapacity: 0 })]
    listener.manager.handle(one, () => 1, { interceptors: [authorize(rule)] })
    listener.manager.handle(many, () => [1], { interceptors: [authorize(rule)] })
    const options = { waitForReady: true }
    const call = async () => {
      const stream = there.newStream(many, undefined, options)
      const calls = [there.request(one, undefined, options), introspection.on(there).ping(undefined, options)]
      for (const error of await Promise.all([...calls, stream.responses.next()].map(rejection))) {
        assert.match(error.message, /^a rule does not allow this call of http:\/\/a\d*$/)
        assert.equal(error.reason, 'denied')
      }
    }
    return { call, lines, counted }
  }

  for (const [what, [rule, name, text]] of Object.entries(rules)) {
    it(`is told to its server by the name of the rule, whatever that is of, and not to its caller: ${what}`, async (test) => {
      const { call, lines, counted } = await callAll(test, rule)
      await call()
      assert.deepEqual(
        lines.map((line) => /^the handler "(\w+)".* failed at a call of \S+ by (.*)/.exec(line.text)?.slice(1)).sort(),
        [
          ['many', `${name}: the rule of authorize()${text}`],
          ['one', `${name}: the rule of authorize()${text}`],
          ['ping', `${name}: the rule of introspection${text}`]
        ]
      )
      for (let n = 1; n < 9; n++) await call()
      assert.equal(lines.length, 3 * 4, '1, 2, 4, 8')
      assert.deepEqual(counted().slice(-2), [9, 9])
    })
  }

  const noes: Readonly<Record<string, AnyRule>> = {
    false: () => false,
    'false, later': async () => false,
    'a refusal that it throws': raise(new RejectedError('denied', 'a secret')),
    'a refusal, later': () => Promise.reject(new RejectedError('denied', 'a secret'))
  }
  for (const [what, rule] of Object.entries(noes)) {
    it(`is none that says no: ${what}`, async (test) => {
      const { call, lines } = await callAll(test, rule)
      await call()
      assert.deepEqual(lines, [])
    })
  }
})

describe('the log of a handler that fails anew each time', () => {
  it('is bounded: at another place each time, by any text and any stack', async (test) => {
    const { there, listener, lines, counted } = await connected(test)
    const frames = Array.from({ length: 50 }, (_, n) => `    at place${n}\u0007${'y'.repeat(2000)}`)
    let n = 0
    listener.manager.handle('many', () => {
      const error = new TypeError(`no\u0007${'x'.repeat(100_000)}`)
      error.stack = [`TypeError: ${n}`, `    at another (place.js:${n++}:1)`, ...frames].join('\n')
      throw error
    })
    for (let call = 0; call < 100; call++) {
      await rejection(there.request('many', Buffer.of(1), { waitForReady: true }))
    }
    assert.equal(counted().at(-1), 100)
    assert.equal(lines.length, 16 + 7, '16 places, and 1, 2, 4, ... 64 of all others')
    for (const { text } of lines) {
      const rows = text.split('\n')
      assert.equal(rows.length, 21)
      assert.ok(rows.every((row) => row.length < 800 && !/\p{Cc}/u.test(row)))
    }
  })
})

describe('code of a handler that uses it-grid as it must not be used', () => {
  const next: HandlerInterceptor = {
    single: async (_, next) => {
      await next()
      return await next()
    }
  }
  const metadata: HandlerInterceptor = { single: (_, next) => next({ metadata: { a: 1 } } as never) }
  const typo = () => authorize(() => none.name === '')
  const rejects = () => authorize(async () => none.name === '')
  const ways: [string, string, HandlerInterceptor | undefined][] = [
    ['an unknown option of a call of its own', 'InvalidOptionError', undefined],
    ['next() twice', 'ClosedError', next],
    ['metadata for next()', 'InvalidOptionError', metadata],
    ['a rule of authorize that throws', 'TypeError', typo()],
    ['a rule of authorize that rejects', 'TypeError', rejects()]
  ]
  for (const [word, name, interceptor] of ways) {
    it(`is told to its server: ${word}`, async (test) => {
      const { there, back, listener, lines, counted } = await connected(test)
      const wrong = single<void, unknown>('wrong')
      const own = async () =>
        await back.request(fail, '', interceptor === undefined ? ({ timeoutMs: 5 } as object) : {})
      const run = interceptor === undefined ? own : () => 'done'
      listener.manager.handle(wrong, run, { interceptors: interceptor === undefined ? [] : [interceptor] })
      const error = await rejection(there.request(wrong, undefined, { waitForReady: true }))
      assert.doesNotMatch(error.message, /undefined/)
      assert.match(lines[0]?.text ?? '', new RegExp(`^the handler "wrong" failed at a call of \\S+ by ${name}: `))
      assert.equal(counted().at(-1), 1)
      const [told] = listener.manager.recent.filter(({ type }) => type === 'mistake')
      assert.ok(told?.type === 'mistake' && told.name === name && told.handler === 'wrong')
      if (word.includes('authorize')) assert.equal(error.reason, 'denied')
    })
  }
})

describe('an error that a handler means', () => {
  for (const word of Object.keys(meant)) {
    it(`is told to its caller and not logged: ${word}`, async (test) => {
      const { there, lines, counted } = await connected(test)
      await rejection(there.subroute('disk1').request(fail, word))
      assert.deepEqual(lines, [])
      assert.deepEqual(counted(), [0, 0])
    })
  }

  it('is no mistake of the handler when its payload cannot be decoded', async (test) => {
    const { there, lines } = await connected(test)
    await rejection(there.subroute('disk1').request('fail', Buffer.from([0xc1])))
    assert.deepEqual(lines, [])
  })
})

/** `it-grid call`: what is sent and what is printed, for every kind of handler, and which exit code tells what went wrong. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createReadStream, openSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { describe, it, type TestContext } from 'node:test'
import { exitCodes } from 'it-grid/cli'
import { toJson } from '../../lib/extras/cli/values.ts'
import { json, type Manager, none, RejectedError, single, streaming } from '../../lib/index.ts'
import { decodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { paced } from '../support/clock/pace.ts'
import { until } from '../support/until.ts'
import { folder, type Given, gridWithGuests, runHere } from './command-line.ts'

const value = single<unknown, unknown>('value')
const greet = single<string, string>('greet', { request: json(), response: json() })
const fail = single<unknown, unknown>('fail')
const nothing = single('nothing', { response: none() })
const refuse = single<unknown, unknown>('refuse')
const never = single<unknown, unknown>('never')
const forbidden = single('forbidden')
const count = streaming<number, never, { n: number }>('count', { inCapacity: 0, outCapacity: 4 })
const upper = streaming<string, string, string>('upper')

/** What handlers saw. */
class Seen {
  readonly metadata: unknown[] = []
  readonly ended: string[] = []
  given = 0
}

function serve(manager: Manager, seen: Seen): void {
  manager.handle(value, (sent, { metadata }) => {
    seen.metadata.push(metadata)
    return sent
  })
  manager.handle(greet, (name) => `hello ${name}`)
  manager.handle(fail, (details) => {
    throw Object.assign(new Error('no such key \u001b[31m'), { code: 'ERR_KEY', details })
  })
  manager.handle(nothing, () => undefined)
  manager.handle(refuse, () => undefined, {
    interceptors: [
      {
        single: () => {
          throw new RejectedError('denied', 'not for you')
        }
      }
    ]
  })
  manager.handle(never, async (_, { signal }) => {
    await once(signal, 'abort')
    seen.ended.push('never')
  })
  manager.handle(forbidden, () => undefined)
  manager.handle('raw', (bytes) => bytes)
  manager.handle('garbage', () => Uint8Array.of(0xc1))
  manager.handle(value, (sent) => ({ under: sent }), { subroute: 'sub' })
  manager.handle(count, async function* (to) {
    try {
      for (let n = 0; n < to; n++) {
        seen.given = n
        yield { n }
      }
    } finally {
      seen.ended.push('count')
    }
  })
  manager.handle(upper, async function* (payload, requests) {
    yield payload
    for await (const text of requests) yield text.toUpperCase()
  })
}

async function open(test: TestContext) {
  const seen = new Seen()
  const grid = await gridWithGuests(1, (manager) => serve(manager, seen))
  test.after(() => grid[Symbol.asyncDispose]())
  const { secret, file } = folder(test)
  const [host = ''] = grid.hosts
  const call = (args: readonly string[], given: Given = {}) =>
    runHere(['call', host, ...args], { ...given, env: { IT_GRID_SECRET_FILE: secret, ...given.env } })
  /** Of a call that must succeed. */
  const answer = async (args: readonly string[], given?: Given) => {
    const { code, stdout, stderr } = await call(args, given)
    assert.deepEqual([code, stderr], [0, ''])
    return stdout
  }
  return { grid, host, seen, call, answer, file, secret }
}

describe('call', () => {
  it('sends JSON by the codec that the handler says it has, and prints the answer in one line', async (test) => {
    const { answer } = await open(test)
    assert.equal(await answer(['value', '{"a":[1,null,"ä"]}']), '{"a":[1,null,"ä"]}\n')
    assert.equal(await answer(['greet', '"Ada"']), '"hello Ada"\n')
    assert.equal(await answer(['nothing']), '')
    assert.equal(await answer(['nothing', '--json']), 'null\n')
    assert.equal(await answer(['value']), 'null\n', 'nil of msgpack')
    assert.equal(await answer(['value', '1', '--subroute', 'sub']), '{"under":1}\n')
    assert.equal(await answer(['--', 'value', '-5']), '-5\n')
  })

  it('takes a number below zero for a payload, where other words with a hyphen are flags', async (test) => {
    const { answer, call } = await open(test)
    for (const number of ['-5', '-0.5', '-1e-7']) assert.equal(await answer(['value', number]), `${number}\n`)
    assert.equal(await answer(['value', '-12', '--json']), '-12\n')
    assert.match((await call(['value', '-x'])).stderr, /there is no option -x/)
    assert.match((await call(['value', '--timeout', '-5s'])).stderr, /--timeout needs a value/)
  })

  it('sends no number as another one than was written, and says how to write it', async (test) => {
    const { answer, call } = await open(test)
    const all =
      '[9007199254740991,9007199254740992,-9007199254740993.5,0.1,1e300,9.007199254740993e18,9007199254740992.0,9.007199254740994e15,0.00,"9007199254740993 \\" 1e999"]'
    assert.equal(await answer(['value', all]), `${JSON.stringify(JSON.parse(all))}\n`)
    const refused = async (json: string, said: string) => {
      const { code, stdout, stderr } = await call(['value', json])
      assert.deepEqual([code, stdout], [exitCodes.usage, ''], json)
      assert.ok(stderr.includes(said), stderr)
    }
    await refused('{"id":"a","n":[9007199254740993]}', '9007199254740993 would be sent as 9007199254740992')
    await refused('-12345678901234567891', 'write {"$bigint":"-12345678901234567891"}, or a text')
    for (const same of ['9007199254740993.0', '9.007199254740993e15', '90071992547409930e-1', '9007199254740993E+0']) {
      const why = `the number ${same} would be sent as 9007199254740992: write {"$bigint":"9007199254740993"}, or a text`
      await refused(`[1.5,${same}]`, why)
      await refused(`-${same}`, 'would be sent as -9007199254740992: write {"$bigint":"-9007199254740993"}, or a text')
    }
    await refused('1e400', 'write {"$number":"Infinity"}, or a text')
    await refused('[-0.5e-999]', 'would be sent as 0: write a text')
    await refused('1'.repeat(60), 'write a text')
    await refused(`["\\"",${'9'.repeat(17)}]`, '99999999999999999 would be sent as 100000000000000000')
    assert.equal(await answer(['value', '{"$bigint":"9007199254740993"}']), '{"$bigint":"9007199254740993"}\n')
    const metadata = await call(['value', '--metadata', '{"id":9007199254740993}'])
    assert.match(metadata.stderr, /9007199254740993 would be sent as/)
  })

  it('has a form for what JSON has none for, the same in both directions', async (test) => {
    const { answer } = await open(test)
    const date = '{"$date":"2026-01-31T12:00:00.000Z"}'
    const sent = `[{"$bytes":"AQL/"},${date},{"$bigint":"1152921504606846977"},{"$number":"NaN"},{"$number":"-Infinity"}]`
    assert.equal(await answer(['value', sent]), `${sent}\n`)
    assert.equal(
      await answer(['value', '{"$bytes":1,"$date":"x"}']),
      '{"$bytes":1,"$date":"x"}\n',
      'what is none stays'
    )
    const timeOfNone = Uint8Array.from([0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, ...Array(7).fill(0xff)])
    assert.equal(toJson(decodeMsgpack(timeOfNone)), '{"$date":"Invalid Date"}', 'msgpack has times that no Date has')
  })

  it('takes its payload from a file or from stdin, and bytes as they are with --raw', async (test) => {
    const { answer, file } = await open(test)
    const bytes = Buffer.from([0, 255, 10, 27])
    assert.equal(await answer(['value', `@${file('a.json', '{"a":1}\n')}`]), '{"a":1}\n')
    assert.equal(await answer(['value', '-'], { stdin: '[1,\n2]' }), '[1,2]\n')
    assert.equal(await answer(['raw', 'text', '--raw']), 'text')
    const chunks: Buffer[] = []
    const stdout = new Writable({ write: (chunk, _, done) => done(void chunks.push(chunk) as undefined) })
    await answer(['raw', `@${file('bytes', bytes)}`, '--raw'], { stdout })
    assert.deepEqual(Buffer.concat(chunks), bytes)
  })

  it('sends metadata, each text or object of them', async (test) => {
    const { answer, seen } = await open(test)
    await answer(['value', '1', '--metadata', 'a=b=c', '--metadata', '{"n":7,"t":true}'])
    assert.deepEqual({ ...(seen.metadata[0] as object) }, { a: 'b=c', n: 7, t: true })
  })

  it('prints each response of a stream in a line, and sends each line of stdin or of a file as a request', async (test) => {
    const { answer, file } = await open(test)
    assert.equal(await answer(['count', '3']), '{"n":0}\n{"n":1}\n{"n":2}\n')
    const lines = '"a"\n\n"b"\r\n"last"'
    assert.equal(await answer(['upper', '"p"', '--stream'], { stdin: lines }), '"p"\n"A"\n"B"\n"LAST"\n')
    assert.equal(await answer(['upper', '"p"', '--stream', `@${file('l', lines)}`]), '"p"\n"A"\n"B"\n"LAST"\n')
    assert.equal(await answer(['upper', '"p"']), '"p"\n', 'without requests they end at once')
  })

  it('says so where a stream was sent nothing and has answered nothing, and where stdin is not read', async (test) => {
    const { call, grid, file } = await open(test)
    grid.at(0).handle(streaming<void, string, string>('each'), async function* (_, requests) {
      yield* requests
    })
    const silent = await call(['each'])
    assert.deepEqual([silent.code, silent.stdout], [0, ''])
    assert.match(silent.stderr, /^it-grid: "each" takes requests, was sent none, .*: --stream sends each line of stdin/)
    const piped = (args: string[]) =>
      call(args, { stdin: createReadStream('', { fd: openSync(file('piped', '"x"\n'), 'r') }) })
    const unread = await piped(['value'])
    assert.deepEqual(unread, {
      code: 0,
      stdout: 'null\n',
      stderr: 'it-grid: stdin is not read: - sends it as the payload\n'
    })
    assert.equal(
      (await piped(['each'])).stderr,
      'it-grid: stdin is not read: --stream sends each line of it as a request\n'
    )
    assert.deepEqual(JSON.parse((await piped(['value', '--json'])).stderr), {
      note: { message: 'stdin is not read: - sends it as the payload' }
    })
    for (const args of [
      ['value', '1'],
      ['value', '-'],
      ['each', '--stream']
    ])
      assert.equal((await piped(args)).stderr, '', args.join(' '))
  })

  it('pulls a stream no faster than the output is read, and ends it when nobody reads any more', async (test) => {
    const { call, seen } = await open(test)
    const writes: (() => void)[] = []
    const stdout = new Writable({ highWaterMark: 1, write: (_, __, done) => void writes.push(done) })
    const run = call(['count', '1000000'], { stdout })
    await until(() => writes.length === 1, 'something is written')
    const { given } = seen
    assert.ok(given < 100, `${given} were made ahead`)
    stdout.destroy(Object.assign(new Error('gone'), { code: 'EPIPE' }))
    const { code, stderr } = await run
    assert.deepEqual([code, stderr], [exitCodes.brokenPipe, ''])
    await until(() => seen.ended.length === 1, 'the handler has ended')
    assert.ok(seen.given < 1000)
  })

  it('reads its input no faster than the handler takes requests', async (test) => {
    const { call, grid } = await open(test)
    let taken = 0
    grid
      .at(0)
      .handle(streaming<void, number, never>('slow', { inCapacity: 2 }), async function* (_, requests, { signal }) {
        for await (const _request of requests) {
          if (++taken === 3) await once(signal, 'abort')
        }
        yield* []
      })
    let read = 0
    const stdin = Readable.from(
      (function* () {
        for (; read < 1_000_000; read++) yield Buffer.from(`${read}\n`)
      })()
    )
    const stop = new AbortController()
    const run = call(['slow', '--stream'], { stdin, signal: stop.signal })
    await until(() => taken === 3, 'some were taken')
    const before = read
    assert.ok(before < 100, `${before} were read`)
    stop.abort(new Error('enough'))
    await run
    assert.ok(stdin.destroyed)
  })

  it('cancels what runs when it is told to end, also while nobody takes what it prints', async (test) => {
    const { call, seen, grid } = await open(test)
    const stop = new AbortController()
    const run = call(['never', '1'], { signal: stop.signal })
    await until(() => grid.at(0).stats().inboundStreams > 0, 'it runs')
    let isStuck = false
    const stuck = new Writable({
      write: () => {
        isStuck = true
      }
    })
    const streamed = call(['count', '1000000'], { signal: stop.signal, stdout: stuck })
    await until(() => isStuck, 'what it prints is not taken')
    stop.abort(new Error('enough'))
    for (const { stdout, stderr } of [await run, await streamed]) assert.deepEqual([stdout, stderr], ['', ''])
    await until(() => seen.ended.toSorted().join() === 'count,never', 'the handlers have ended')
  })

  it('prints for a terminal indented, and with what it would obey escaped', async (test) => {
    const { answer } = await open(test)
    const evil = JSON.stringify('\u001b]0;title\u0007\u202e\u009b1m')
    const shown = '"\\u001b]0;title\\u0007\\u202e\\u009b1m"\n'
    assert.equal(await answer(['value', evil]), shown)
    assert.equal(await answer(['value', '{"a":1}'], { columns: 80 }), '{\n  "a": 1\n}\n')
    assert.equal(await answer(['raw', 'a\u001b[31m\nb', '--raw'], { columns: 80 }), 'a\\u001b[31m\nb')
  })
})

describe('the exit code of call', () => {
  const cases: readonly (readonly [name: keyof typeof exitCodes, args: readonly string[], stderr: RegExp])[] = [
    [
      'failed',
      ['fail', '{"key":"k"}'],
      /^it-grid: no such key \\u001b\[31m \(ERR_KEY; the handler ran\)\ndetails: \{"key":"k"\}\n$/
    ],
    ['refused', ['refuse', '1'], /^it-grid: .*not for you.* \(ERR_REJECTED; the handler did not run\)\n$/],
    ['refused', ['forbidden'], /ERR_REJECTED; the handler did not run/],
    ['unknownHandler', ['valeu', '1'], /"valeu".*"value".*\(ERR_UNKNOWN_HANDLER\)\n$/],
    ['deadline', ['never', '1', '--timeout', `${paced(250)}ms`], /\(ERR_DEADLINE; the handler may have run\)\n$/],
    ['value', ['garbage', '1'], /it takes or gives bytes, add --raw \(ERR_CODEC; the handler ran\)\n$/],
    ['usage', ['value', '{a}'], /^it-grid: the payload is no JSON: /],
    ['usage', ['value', 'text'], /a text is written as '"text"'\n$/],
    ['usage', ['value', '@/no/such/file'], /^it-grid: \/no\/such\/file: there is no such file\n$/],
    // What is not read is not opened, and nobody would hear of what is wrong with it.
    ['unknownHandler', ['uper', '"p"', '--stream', '@/no/such/file'], /"uper".*"upper".*\(ERR_UNKNOWN_HANDLER\)\n$/],
    ['unknownHandler', ['uper', '--stream', '--raw', '@/no/such/file'], /"uper".*\(ERR_UNKNOWN_HANDLER\)\n$/],
    ['usage', ['value', '1', '2'], /"2" is one argument too many/],
    [
      'usage',
      ['value', '1', '--stream'],
      /"value" takes one request and no stream: leave out --stream, and give the payload as JSON/
    ],
    ['usage', ['count', '1', '--stream'], /"count" takes no requests: leave out --stream\n$/],
    ['usage', ['value', '1', '--metadata', '[]'], /--metadata must be KEY=TEXT, or a JSON object; it is "\[\]"\n$/],
    ['usage', ['value', '1', '--timeout', '0'], /--timeout 0 has no unit: write 0s or 0ms\n$/],
    ['usage', ['greet'], /^it-grid: "greet" takes a payload: give it as JSON, as @FILE, or as - for stdin\n$/],
    ['usage', [], /which handler\?/]
  ]

  it('tells what went wrong by its class, with a sentence on stderr', async (test) => {
    const { call } = await open(test)
    for (const [name, args, expected] of cases) {
      const { code, stdout, stderr } = await call(args)
      assert.deepEqual([code, stdout], [exitCodes[name], ''], `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, expected, args.join(' '))
    }
  })

  it('is that of a line which is wrong, or of a file that is not there, and names it', async (test) => {
    const { call } = await open(test)
    const { code, stderr } = await call(['upper', '"p"', '--stream'], { stdin: '"a"\n{wrong\n"c"\n' })
    assert.deepEqual([code, /^it-grid: line 2 of stdin is no JSON/.test(stderr)], [exitCodes.usage, true], stderr)
    // What has answered before may be printed.
    const missing = await call(['upper', '"p"', '--stream', '@/no/such'])
    assert.deepEqual([missing.code, missing.stderr], [exitCodes.usage, 'it-grid: /no/such: there is no such file\n'])
  })

  it('tells a host that is not there, one that ends, and one that has another secret, from each other', async (test) => {
    const { call, host, file, grid, secret } = await open(test)
    const other = file('other', 'another secret of guests: random')
    const refused = await call(['value', '1', '--secret-file', other])
    assert.equal(refused.code, exitCodes.refused, refused.stderr)
    const away = await runHere(['call', 'http://127.0.0.1:1', 'value', '1', '--secret-file', secret])
    assert.equal(away.code, exitCodes.notReached, away.stderr)
    const running = call(['never', '1'])
    await until(() => grid.at(0).stats().inboundStreams > 0, 'it runs')
    grid.cut()
    const lost = await running
    assert.equal(lost.code, exitCodes.lost, lost.stderr)
    assert.match(lost.stderr, new RegExp(`${host}.*\\(ERR_DISCONNECTED; the handler may have run\\)`))
  })

  it('comes with JSON on stderr when that is asked for', async (test) => {
    const { call } = await open(test)
    const { stderr } = await call(['fail', '7', '--json'])
    const { error } = JSON.parse(stderr)
    assert.deepEqual(error, {
      ...{ code: 'ERR_KEY', name: 'Error', message: 'no such key \u001b[31m', delivery: 'ran', details: 7 }
    })
  })
})

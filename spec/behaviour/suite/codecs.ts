/** A codec of the user that breaks its contract: its call fails with ERR_CODEC, whichever end it is at and whatever it was for. */

import assert from 'node:assert/strict'
import { type Codec, msgpack, single, streaming } from '../../../lib/index.ts'
import { Outcome } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import type { Fact } from '../suite.ts'

const fine = msgpack<unknown>()

const late = async () => {
  throw new Error('late')
}

const withThen = (then: unknown) => ({ then })

const thrower = {
  // biome-ignore lint/suspicious/noThenProperty: it is what is tried
  get then() {
    throw new Error('a getter')
  }
}

/** What no `decode` may give. */
const noValues: Record<string, () => unknown> = {
  'a promise that rejects': late,
  'a promise': async () => 1,
  'a promise that rejects, whose then throws when it is read': () =>
    Object.defineProperty(late(), 'then', Object.getOwnPropertyDescriptor(thrower, 'then') as PropertyDescriptor),
  'a thenable that never settles': () => withThen(() => undefined),
  'a thenable that throws': () => withThen(late),
  'an object whose then throws when it is read': () => thrower
}

/** What no `encode` may do. */
const noBytes: Record<string, () => unknown> = {
  'a promise that rejects': late,
  'a promise of bytes': async () => new Uint8Array(1),
  'a number': () => 5,
  'bytes behind a proxy': () => new Proxy(new Uint8Array(1), {}),
  'an error': () => {
    throw Object.assign(new Error('of the codec'), { code: 'ERR_ODD' })
  },
  'an error that is nothing': () => {
    throw undefined
  }
}

/** What the error says of some of them. */
const texts: Readonly<Record<string, RegExp>> = {
  'a number': /the codec of the (payload|request|response) returned a number, which is no Uint8Array/
}

type Parts = 'payload' | 'request' | 'response'

/** A call in which one codec is bad: how it fails at its caller. */
async function failureOf(link: Link, id: string, part: Parts, mine: Codec<unknown>, isSingle: boolean) {
  if (isSingle) {
    const call = new Outcome(link.peer.request(single<unknown, unknown>(id, { [part]: mine }), 1, { timeout: 5000 }))
    await call.done
    return call.error
  }
  const stream = link.peer.newStream(streaming<unknown, unknown, unknown>(`${id}*`, { [part]: mine }), 1)
  const sent = new Outcome(stream.send(1))
  const read = new Outcome(stream.responses.next())
  await read.done
  await sent.done
  return read.error
}

export function codecFacts(fact: Fact): void {
  const kinds = [
    ['decode', 'gives', noValues],
    ['encode', 'gives or throws', noBytes]
  ] as const
  for (const [method, does, bads] of kinds) {
    fact(
      `a codec whose ${method} ${does} what it must not fails its call with ERR_CODEC, at either end`,
      async (link) => {
        const { peer, responder } = link
        let bad: () => unknown = () => undefined
        const badCodec = { ...fine, [method]: () => bad() } as Codec<unknown>
        const places = (['payload', 'request', 'response'] as const).flatMap((part) =>
          (['here', 'there'] as const).map((end) => ({ part, end, id: `${part}-${end}` }))
        )
        for (const { part, end, id } of places) {
          const theirs = end === 'there' ? badCodec : fine
          // It looks at none of what it is given.
          if (part !== 'payload') responder.handle(single<unknown, unknown>(id, { [part]: theirs }), () => 1)
          responder.handle(
            streaming<unknown, unknown, unknown>(`${id}*`, { [part]: theirs }),
            async function* (_, requests) {
              for await (const _request of requests) yield 1
            }
          )
        }
        responder.handle('echo', (payload) => payload)
        await link.known()
        for (const [what, make] of Object.entries(bads)) {
          bad = make
          for (const { part, end, id } of places) {
            const mine = end === 'here' ? badCodec : fine
            // This method of the codec is of no use at this end.
            const isUsed = (end === 'here') === ((method === 'encode') === (part !== 'response'))
            if (!isUsed) continue
            for (const isSingle of part === 'payload' ? [false] : [true, false]) {
              const error = (await failureOf(link, id, part, mine, isSingle)) as Partial<Error & { code: string }>
              const where = `${what}: ${id}, ${isSingle ? 'single' : 'stream'}`
              assert.equal(error?.code, 'ERR_CODEC', `${where}: ${error}`)
              if (method === 'encode') assert.match(String(error.message), texts[what] ?? /./, where)
              assert.equal(error.name, end === 'here' ? 'CodecError' : 'RemoteError', where)
            }
          }
        }
        await new Promise(setImmediate)
        assert.deepEqual([...(await peer.request('echo', Uint8Array.of(1)))], [1])
        assert.deepEqual([peer.stats().reconnects, link.back.stats().reconnects], [0, 0])
      }
    )
  }
}

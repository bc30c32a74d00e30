/** Schemas of other libraries, at every codec: what they refuse names the field, and says nothing of the value. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expectTypeOf } from 'expect-type'
import * as v from 'valibot'
import * as z from 'zod'
import {
  bytes,
  type Codec,
  CodecError,
  type Infer,
  json,
  msgpack,
  type Schema,
  ValidationError
} from '../../lib/index.ts'

interface Account {
  name: string
  tags: string[]
}

const schemas: readonly (readonly [string, Schema<Account>])[] = [
  ['zod', z.object({ name: z.string().min(3), tags: z.array(z.string().max(5)) })],
  ['valibot', v.object({ name: v.pipe(v.string(), v.minLength(3)), tags: v.array(v.pipe(v.string(), v.maxLength(5))) })]
]
const codecs: readonly (readonly [string, (...schema: [] | [schema: Schema<Account>]) => Codec<Account>])[] = [
  ['msgpack', msgpack],
  ['json', json]
]
const good: Account = { name: 'Ada', tags: ['a', 'b'] }

function thrown(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  assert.fail('nothing was thrown')
}

/** A schema of one's own, of which only the answer matters. */
function answering<T>(validate: (value: unknown) => unknown): Schema<T> {
  return { '~standard': { version: 1, vendor: 'spec', validate: validate as never } }
}

for (const [vendor, schema] of schemas) {
  for (const [name, codec] of codecs) {
    describe(`${name}() with a schema of ${vendor}`, () => {
      const checked = codec(schema)

      it('carries what fits', () => {
        assert.deepEqual(checked.decode(checked.encode(good)), good)
      })

      it('refuses what does not, where it arrives, with the path of the field and nothing of the value', () => {
        const bad = { name: 'Grace', tags: ['short', 'hunter2-hunter2'] }
        const error = thrown(() => checked.decode(checked.encode(bad)))
        assert.ok(error instanceof ValidationError)
        assert.equal(error.code, 'ERR_VALIDATION')
        assert.deepEqual(error.details, { path: ['tags', 1] })
        assert.equal(error.message, 'the value is not valid at "tags.1"')
        assert.equal(error.cause, undefined)
      })

      it('refuses another type altogether, with an empty path', () => {
        const error = thrown(() => checked.decode(codec().encode('hunter2' as never)))
        assert.ok(error instanceof ValidationError)
        assert.deepEqual(error.details, { path: [] })
        assert.equal(error.message, 'the value is not valid')
      })
    })
  }
}

describe('a schema', () => {
  it('gives its type to the codec', () => {
    expectTypeOf<Infer<typeof fromZod>>().toEqualTypeOf<{ n: number }>()
    expectTypeOf<Infer<typeof fromValibot>>().toEqualTypeOf<{ n: number }>()
    const fromZod = json(z.object({ n: z.number() }))
    const fromValibot = msgpack(v.object({ n: v.number() }))
    // @ts-expect-error a schema that may be missing would let everything through
    assert.throws(() => json<{ n: number }>(undefined as Schema<{ n: number }> | undefined), /Standard Schema/)
    // @ts-expect-error it would make a string of what the sender knows as a number
    json<number>(z.number().transform(String))
  })

  it('makes the value that arrives: a schema that leaves out what it does not know does so here', () => {
    const checked = json(z.object({ a: z.number() }))
    assert.deepEqual(checked.decode(Buffer.from('{"a":1,"b":2}')), { a: 1 })
  })

  it('can check raw bytes', () => {
    const short = bytes(z.instanceof(Uint8Array).refine(({ length }) => length < 4))
    assert.equal(short.decode(new Uint8Array(3)).length, 3)
    assert.throws(() => short.decode(new Uint8Array(4)), ValidationError)
  })

  it('that answers with a promise is refused when a value arrives, whatever becomes of the promise', async () => {
    for (const answer of [() => Promise.resolve({ value: 1 }), () => Promise.reject(new Error('hunter2'))]) {
      const error = thrown(() => json(answering(answer)).decode(Buffer.from('1')))
      assert.ok(error instanceof CodecError)
      assert.match(error.message, /promise/)
    }
    await new Promise(setImmediate)
  })

  it('that throws is told of without what it said', () => {
    const fails = answering(() => {
      throw new Error('cannot check hunter2')
    })
    const error = thrown(() => json(fails).decode(Buffer.from('1')))
    assert.ok(error instanceof CodecError)
    assert.doesNotMatch(`${error.message} ${error.cause}`, /hunter2/)
  })

  it('that gives something else than an answer is refused, and lets nothing through', () => {
    const thenable = Object.fromEntries([['then', () => undefined]])
    for (const answer of [undefined, null, true, 7, {}, thenable, { issues: null }]) {
      const error = thrown(() => json(answering(() => answer)).decode(Buffer.from('1')))
      assert.ok(error instanceof CodecError, `${JSON.stringify(answer)}: ${error}`)
    }
    assert.ok(thrown(() => json(answering(() => ({ issues: [] }))).decode(Buffer.from('1'))) instanceof ValidationError)
  })

  it('that says nothing of where has an empty path; keys of all kinds have a name, and long ones are cut', () => {
    const paths: [unknown, (string | number)[]][] = [
      [[], []],
      [[{}], []],
      [[{ path: ['a', 0, Symbol('s')] }], ['a', 0, 'Symbol(s)']],
      [[{ path: [{ key: 'a' }, { key: 1 }] }], ['a', 1]],
      [[{ path: ['a\nb'] }], ['a b']],
      [[{ path: ['x'.repeat(1000)] }], ['x'.repeat(64)]],
      [[{ path: new Array(1000).fill('y') }], new Array(16).fill('y')]
    ]
    for (const [issues, path] of paths) {
      const error = thrown(() => json(answering(() => ({ issues }))).decode(Buffer.from('1')))
      assert.deepEqual((error as ValidationError).details.path, path)
    }
  })

  it('that is none is refused when the codec is made', () => {
    for (const wrong of [undefined, null, {}, { '~standard': { version: 2, validate: () => ({ value: 1 }) } }, 'zod']) {
      assert.throws(() => json(wrong as never), { name: 'InvalidOptionError', message: /Standard Schema/ })
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { whenSettled } from '../../lib/base/promise.ts'

/** What it calls, and with what. */
function heard(promise: PromiseLike<unknown>): Promise<unknown[]> {
  return new Promise((resolve) => {
    whenSettled(
      promise,
      (value) => resolve(['value', value]),
      (error) => resolve(['error', error])
    )
  })
}

const fail = (): never => {
  throw new Error('asked')
}

describe('whenSettled', () => {
  it('tells of a promise of the language, whatever its own then does', async () => {
    assert.deepEqual(await heard(Promise.resolve(1)), ['value', 1])
    assert.deepEqual(await heard(Promise.reject(2)), ['error', 2])
    class Own extends Promise<number> {}
    assert.deepEqual(await heard(Own.resolve(3)), ['value', 3])
    const other = Object.assign(Promise.resolve(4), { constructor: fail })
    assert.deepEqual(await heard(other), ['value', 4])
    const read = Object.defineProperty(Promise.reject(5), 'then', { get: fail })
    assert.deepEqual(await heard(read), ['error', 5])
  })

  it('tells of what only looks like a promise of the language as await does', async () => {
    const then = (resolve: (value: number) => void) => resolve(5)
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    const like = Object.create(Promise.prototype, { then: { value: then } })
    assert.deepEqual(await heard(like), ['value', 5])
    const [what, error] = await heard(Object.create(Promise.prototype))
    assert.equal(what, 'error')
    assert.ok(error instanceof TypeError)
    assert.deepEqual(await heard(new Proxy({ then } as never, { getPrototypeOf: fail })), ['value', 5])
    const [still] = await heard(new Proxy(Promise.resolve(6), {}))
    assert.equal(still, 'error')
  })

  it('tells of values that are no promises', async () => {
    for (const value of [undefined, null, 7, 'text']) assert.deepEqual(await heard(value as never), ['value', value])
  })
})

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { resolveTaken, type SendWaiter } from '../../lib/call/send-queue.ts'

it('who sent and waits no more keeps none of those who came after', () => {
  const resolved: number[] = []
  let first: SendWaiter | undefined
  const waiters = [3, 2, 1].map((count) => {
    first = { count, resolve: () => resolved.push(count), reject: assert.fail, next: first }
    return first
  })
  const [third, second, oldest] = waiters
  assert.equal(resolveTaken(first, 2), third)
  assert.deepEqual(resolved, [1, 2])
  assert.deepEqual([oldest?.next, second?.next], [undefined, undefined])
})

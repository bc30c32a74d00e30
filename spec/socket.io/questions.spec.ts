/** Questions that wait for an answer of this server: so many that what each of their ends costs is seen. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Asker, Questions } from '../../lib/extras/socket.io/questions.ts'

it('as many questions as may wait end without a stand of the event loop, when who asked has no more to ask', () => {
  const questions = new Questions()
  const listener = { hear: () => assert.fail() }
  let isAnswered = false
  const ask = (onAnswered: (asker: Asker) => void) => {
    const asker: Asker = { reply: () => undefined, onAnswered: () => onAnswered(asker) }
    return asker
  }
  const other = ask(() => undefined)
  const asker = ask((each) => {
    isAnswered = !questions.hasOf(each)
  })
  // One that waits for longer, of another server.
  questions.add(other, listener, 'other', 60_000)
  const keys = Array.from({ length: 99_999 }, (_, at) => questions.add(asker, listener, `${at}`, 60_000))
  assert.equal(questions.add(asker, listener, 'one too many', 60_000), undefined)
  const startMs = performance.now()
  for (const [at, key] of keys.entries()) {
    assert.ok(!isAnswered, `${at} of them have ended`)
    questions.fail(key as string, 'too late')
  }
  assert.ok(isAnswered && questions.hasOf(other))
  assert.ok(performance.now() - startMs < 5000, `${performance.now() - startMs} ms`)
  questions.drop(other)
  assert.ok(!questions.hasOf(other))
})

/** The far end, a process of its own: listens on loopback, holds requests and streams, and tells what it holds. */

import { serveCommands } from '../harness/commands.ts'
import { serveGrid } from '../harness/grid.ts'
import { memoryNow } from '../harness/memory.ts'
import { countsOf, echoes, grid, news, options, watch } from './grid.ts'

const answers: ((answer: Uint8Array) => void)[] = []
const asked: number[] = []

/** Says one thing and is silent from then on. */
class OneMessage implements AsyncIterableIterator<Uint8Array> {
  #said = false
  #end: ((result: IteratorResult<Uint8Array>) => void) | undefined

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#said) {
      return new Promise((resolve) => {
        this.#end = resolve
      })
    }
    this.#said = true
    return firstMessage
  }

  /** Ends its silence, too: a handler counts as running while its iterator is asked. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.#end?.(end)
    return Promise.resolve(end)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
const firstMessage = Promise.resolve({ done: false, value: new Uint8Array(64) })
const end = { done: true as const, value: undefined }

const manager = await serveGrid(grid, options, (manager) => {
  manager.handle('hold', (payload) => {
    asked.push(Buffer.from(payload.buffer, payload.byteOffset).readUInt32LE(0))
    return new Promise<Uint8Array>((resolve) => answers.push(resolve))
  })
  manager.handle(echoes, (_none, requests) => requests)
  manager.handle(news, () => new OneMessage())
  manager.handle(watch, async function* (_none, _requests, { signal }) {
    yield new Uint8Array(64)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
})

const commands = {
  address: () => manager.local,
  memory: memoryNow,
  counts: () => countsOf(manager),
  /** Requests that wait for their answer. */
  held: () => answers.length,
  /** Answers all that wait: each with its number. */
  release() {
    for (const [index, answer] of answers.entries()) {
      const payload = Buffer.allocUnsafe(4)
      payload.writeUInt32LE(asked[index] as number)
      answer(payload)
    }
    answers.length = 0
    asked.length = 0
  },
  /** What this process itself needs to hold `count` requests: a promise and what answers it. */
  async ownShare(count: number) {
    const before = await memoryNow()
    const promises: Promise<Uint8Array>[] = []
    for (let i = 0; i < count; i++) {
      asked.push(i)
      promises.push(new Promise<Uint8Array>((resolve) => answers.push(resolve)))
    }
    const after = await memoryNow()
    answers.length = 0
    asked.length = promises.length = 0
    return { before, after }
  }
}
export type FarCommands = typeof commands
serveCommands(commands)

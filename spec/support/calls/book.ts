/**
 * A book of what became of the calls on a conn that may be lost at any byte.
 *
 * Whatever happens to the conn, the book knows what must not have: a call that settles never or wrongly, a handler that
 * runs twice or runs on, a delivery that lies.
 */

import { fragmentBytes } from '../../../lib/errors/options.ts'
import { ClosedError, type Connection, type Delivery, DisconnectedError, RejectedError } from '../../../lib/index.ts'
import { Gate } from '../gate.ts'
import { until } from '../until.ts'
import { type Call, callOn, type Watch } from './call.ts'

/** What was done on both ends, and what went wrong with it. */
export class Book implements Watch {
  readonly ran = new Set<string>()
  readonly errors: { readonly id: string; readonly error: unknown }[] = []
  readonly #wrongs: string[] = []
  /** Opened, it lets the late calls end. */
  readonly gate = new Gate()
  readonly opened = this.gate.opened
  running = 0
  started = 0
  settled = 0

  /** The code of a handler begins. */
  enter(id: string): void {
    if (this.ran.has(id)) this.#wrongs.push(`the handler of ${id} ran twice`)
    this.ran.add(id)
    this.running++
  }

  leave(): void {
    this.running--
  }

  /** Around each call; it does not reject. */
  async call(id: string, work: () => Promise<void>): Promise<void> {
    this.started++
    try {
      await work()
      if (!this.ran.has(id)) this.#wrongs.push(`${id} has a result, but its handler did not run`)
    } catch (error) {
      this.errors.push({ id, error })
    }
    this.settled++
  }

  /** Once nothing of it can happen any more: all that went wrong. */
  verdict(): string[] {
    const wrongs = [...this.#wrongs]
    if (this.settled !== this.started) wrongs.push(`${this.settled} of ${this.started} calls have settled`)
    if (this.running !== 0) wrongs.push(`${this.running} handlers run on`)
    for (const { id, error } of this.errors) {
      const { delivery } = error as { delivery?: Delivery }
      const isLoss = [DisconnectedError, ClosedError, RejectedError].some((kind) => error instanceof kind)
      if (!isLoss) wrongs.push(`${id} failed with ${error}`)
      else if (delivery !== 'notSent' && delivery !== 'maybeRan') wrongs.push(`${id} was lost, ${delivery}: ${error}`)
      if (this.ran.has(id) && delivery === 'notSent') wrongs.push(`${id} ran, but its delivery is notSent: ${error}`)
    }
    return wrongs
  }
}

const sizes = [3, 3, 3, 3]

export type Caller = ReturnType<typeof callerOf>

/** The calls of one end, `name`; each settles on its own, and none rejects. */
export function callerOf(book: Book, peer: Connection, name: string) {
  const hasRun = (what: string) =>
    book.ran.has(`${name} ${what}`) || book.errors.some(({ id }) => id === `${name} ${what}`)
  const all = async (works: Readonly<Record<string, (call: Call) => Promise<void>>>) => {
    const calls = Object.entries(works).map(([what, work]) => {
      const id = `${name} ${what}`
      return book.call(id, () => work(callOn(peer, id, { waitForReady: true })))
    })
    await Promise.all(calls)
  }
  return {
    /** Of each kind one, at once. */
    small: () =>
      all({
        answer: (call) => call.request(3),
        fail: (call) => call.fail(7),
        feed: (call) => call.feed(4, 3),
        gather: (call) => call.gather(sizes),
        chat: (call) => call.chat(sizes)
      }),
    /** A message in fragments, and calls that are stopped. */
    large: () =>
      all({
        split: (call) => call.request(fragmentBytes + 100),
        cancel: (call) => call.cancel(until(() => hasRun('cancel'), 'it is held')),
        broken: (call) => call.break(0)
      }),
    /** Ends when the gate of the book is opened. */
    late: () => all({ late: (call) => call.late() }),
    /** The late call has reached its handler, or has ended. */
    isLate: () => hasRun('late')
  }
}

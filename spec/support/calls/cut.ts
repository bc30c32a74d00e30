/**
 * Calls of every kind, and a book of what became of them: for a conn that may be lost at any byte.
 *
 * Whatever happens to the conn, the book knows what must not have: a call that settles never or wrongly, a message in
 * part or out of turn, a quiet end, a handler that runs twice or runs on, a delivery that lies.
 */

import { once } from 'node:events'
import { fragmentBytes } from '../../../lib/base/options.ts'
import {
  ClosedError,
  type Connection,
  type Delivery,
  DisconnectedError,
  type GridStream,
  type Manager,
  RejectedError,
  RemoteError,
  single,
  streaming
} from '../../../lib/index.ts'
import { Gate } from '../gate.ts'
import { until } from '../until.ts'

/** A message: the call it belongs to, its place in it, and bytes that show whether it is whole. */
interface Item {
  readonly id: string
  readonly n: number
  readonly body: Uint8Array
}

const echo = single<Item, Item>('echo')
const fails = single<Item, Item>('fails')
const holds = single<Item, Item>('holds')
const late = single<Item, Item>('late')
const feed = streaming<Item, never, Item>('feed', { inCapacity: 0, outCapacity: 2 })
const gather = streaming<Item, Item, Item>('gather', { inCapacity: 2, outCapacity: 1 })
const chat = streaming<Item, Item, Item>('chat', { inCapacity: 1, outCapacity: 1 })

const streamLength = 4
const smallBody = new Uint8Array(3).fill(0xa5)
/** One fragment and a bit. */
const splitBody = new Uint8Array(fragmentBytes + 100).fill(0x5a)
const ready = { waitForReady: true }

function itemOf(id: string, n = 0, body = smallBody): Item {
  return { id, n, body }
}

function itemsOf(id: string): Item[] {
  return Array.from({ length: streamLength }, (_, n) => itemOf(id, n))
}

/** What was done on both ends, and what went wrong with it. */
export class Book {
  readonly ran = new Set<string>()
  readonly errors: { readonly id: string; readonly error: unknown }[] = []
  readonly wrongs: string[] = []
  /** Opened, it lets the late calls end. */
  readonly gate = new Gate()
  running = 0
  started = 0
  settled = 0

  wrong(what: string): void {
    this.wrongs.push(what)
  }

  /** `item` arrived as message `n` of `id`. */
  arrived(item: Item, id: string, n: number, body = smallBody): void {
    if (item.id !== id || item.n !== n) this.wrong(`message ${item.n} of ${item.id} came as message ${n} of ${id}`)
    if (Buffer.compare(item.body, body) !== 0) this.wrong(`message ${n} of ${id} is not whole`)
  }

  /** Checks the messages of a stream as they are taken; its clean end comes behind the last. */
  async *whole(id: string, items: AsyncIterable<Item>, length = streamLength): AsyncGenerator<Item> {
    let n = 0
    for await (const item of items) {
      this.arrived(item, id, n++)
      yield item
    }
    if (n !== length) this.wrong(`${id} ended quietly after ${n} of ${length} messages`)
  }

  /** The code of a handler begins. */
  enter(id: string): void {
    if (this.ran.has(id)) this.wrong(`the handler of ${id} ran twice`)
    this.ran.add(id)
    this.running++
  }

  leave(): void {
    this.running--
  }

  /** Around each call. */
  async call(id: string, work: () => Promise<void>): Promise<void> {
    this.started++
    try {
      await work()
      if (!this.ran.has(id)) this.wrong(`${id} has a result, but its handler did not run`)
    } catch (error) {
      this.errors.push({ id, error })
    }
    this.settled++
  }

  /** Once nothing of it can happen any more: all that went wrong. */
  verdict(): string[] {
    if (this.settled !== this.started) this.wrong(`${this.settled} of ${this.started} calls have settled`)
    if (this.running !== 0) this.wrong(`${this.running} handlers run on`)
    for (const { id, error } of this.errors) this.#judge(id, error, (error as { delivery?: Delivery }).delivery)
    return this.wrongs
  }

  #judge(id: string, error: unknown, delivery: Delivery | undefined): void {
    const isRemote = error instanceof RemoteError && id.endsWith('fails')
    const isLoss = error instanceof DisconnectedError || error instanceof ClosedError || error instanceof RejectedError
    const ran = this.ran.has(id)
    if (!isRemote && !isLoss) this.wrong(`${id} failed with ${error}`)
    if (isRemote && !(ran && delivery === 'ran')) this.wrong(`${id} has a remote error, ran ${ran}, ${delivery}`)
    if (isLoss && delivery !== 'notSent' && delivery !== 'maybeRan') this.wrong(`${id} was lost, ${delivery}: ${error}`)
    if (ran && delivery === 'notSent') this.wrong(`${id} ran, but its delivery is notSent: ${error}`)
  }
}

/** Registers the handlers on `manager`; what they do goes into the book that is current when they start. */
export function serveCalls(manager: Manager, current: () => Book): void {
  const run = async (item: Item, work: (book: Book) => Promise<unknown> | undefined): Promise<Item> => {
    const book = current()
    book.enter(item.id)
    try {
      await work(book)
      return item
    } finally {
      book.leave()
    }
  }
  async function* stream(item: Item, work: (book: Book) => AsyncIterable<Item> | Iterable<Item>) {
    const book = current()
    book.enter(item.id)
    try {
      yield* work(book)
    } finally {
      book.leave()
    }
  }
  manager.handle(echo, (item) =>
    run(item, async (book) => book.arrived(item, item.id, 0, item.id.endsWith('split') ? splitBody : smallBody))
  )
  manager.handle(fails, (item) => run(item, () => Promise.reject(new Error('as it should'))))
  manager.handle(late, (item) => run(item, (book) => book.gate.opened))
  manager.handle(holds, (item, { signal }) => run(item, () => (signal.aborted ? undefined : once(signal, 'abort'))))
  manager.handle(feed, (item) => stream(item, () => itemsOf(item.id)))
  manager.handle(chat, (item, requests) => stream(item, (book) => book.whole(item.id, requests)))
  manager.handle(gather, (item, requests) =>
    stream(item, async function* (book) {
      for await (const _ of book.whole(item.id, requests));
      yield item
    })
  )
}

/** The calls of one end; each settles on its own, and none rejects. */
export class Caller {
  readonly #book: Book
  readonly #peer: Connection
  readonly #name: string

  constructor(book: Book, peer: Connection, name: string) {
    this.#book = book
    this.#peer = peer
    this.#name = name
  }

  /** Of each kind one, at once. */
  async small(): Promise<void> {
    const requests = [this.#request(echo, 'echo'), this.#request(fails, 'fails')]
    const streams = [this.#read(feed, 'feed'), this.#read(gather, 'gather', 1), this.#read(chat, 'chat')]
    await Promise.all([...requests, ...streams])
  }

  /** A message in fragments, and calls that are stopped. */
  async large(): Promise<void> {
    await Promise.all([this.#request(echo, 'split', splitBody), this.#cancel(), this.#break()])
  }

  /** Ends when the gate of the book is opened. */
  async late(): Promise<void> {
    await this.#request(late, 'late')
  }

  /** The late call has reached its handler, or has ended. */
  get isLate(): boolean {
    const id = this.#id('late')
    return this.#book.ran.has(id) || this.#book.errors.some((entry) => entry.id === id)
  }

  #id(what: string): string {
    return `${this.#name} ${what}`
  }

  #request(definition: typeof echo, what: string, body = smallBody): Promise<void> {
    const id = this.#id(what)
    return this.#book.call(id, async () => {
      this.#book.arrived(await this.#peer.request(definition, itemOf(id, 0, body), ready), id, 0, body)
    })
  }

  #read(definition: typeof feed | typeof gather | typeof chat, what: string, length?: number): Promise<void> {
    const id = this.#id(what)
    return this.#book.call(id, async () => {
      const stream: GridStream<Item, Item> = this.#peer.newStream(definition as typeof chat, itemOf(id), ready)
      const sent = stream.requests === null ? Promise.resolve() : stream.sink(itemsOf(id))
      const [read, wrote] = await Promise.allSettled([this.#drain(id, stream, length), sent])
      const { how, error } = await stream.closed
      const lost =
        read.status === 'rejected' ? { how: 'failed', error: read.reason } : { how: 'ended', error: undefined }
      if (how !== lost.how || error !== lost.error) this.#book.wrong(`${id} is ${how}, its reader ${lost.how}`)
      if (how === 'ended' && wrote.status === 'rejected') this.#book.wrong(`${id} ended, but its sink rejected`)
      if (read.status === 'rejected') throw read.reason
    })
  }

  async #drain(id: string, stream: GridStream<Item, Item>, length?: number): Promise<void> {
    for await (const _ of this.#book.whole(id, stream, length));
  }

  #cancel(): Promise<void> {
    const id = this.#id('cancelled')
    return this.#book.call(id, async () => {
      const controller = new AbortController()
      const reason = new Error('no longer wanted')
      let settled = false
      const held = this.#peer
        .request(holds, itemOf(id), { ...ready, signal: controller.signal })
        .catch((error) => error)
      held.then(() => {
        settled = true
      })
      await until(() => settled || this.#book.ran.has(id), `${id} is held`)
      controller.abort(reason)
      const outcome = await held
      if (outcome !== reason) throw outcome
    })
  }

  #break(): Promise<void> {
    const id = this.#id('broken')
    return this.#book.call(id, async () => {
      const stream = this.#peer.newStream(feed, itemOf(id), ready)
      for await (const item of stream) {
        this.#book.arrived(item, id, 0)
        break
      }
      const { how, error } = await stream.closed
      if (how === 'failed') throw error
    })
  }
}

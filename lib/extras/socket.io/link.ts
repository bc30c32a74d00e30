/**
 * What this server says to one other server, in order, over one stream; and the replies to it.
 *
 * It ends once, with its stream or when the other server is too slow: all that wait for a reply are told at once.
 */

import {
  ClosedError,
  type Connection,
  DisconnectedError,
  type GridStream,
  RejectedError,
  ShutdownError,
  UnknownHandlerError
} from '../../index.ts'
import { Assembly, decodeMessage, type Message } from './message.ts'
import { Queue } from './queue.ts'
import { clusterStream, type Reply } from './words.ts'

/** Waits for the replies of one server. */
export interface Waiting {
  onReply(reply: Reply): void
  /** None follows: the server has left, or, by `error`, it is there and cannot be asked. */
  onGone(error: Error | undefined): void
}

export interface LinkInit {
  readonly connection: Connection
  readonly subroute: string
  readonly maxQueuedBytes: number
  /** It takes no more, as its conn is about to close or, by `end`, as it has ended. Told before those who wait. */
  readonly onLeft: (end?: { readonly fault: Error | undefined }) => void
}

export class Link {
  readonly host: string
  readonly #init: LinkInit
  readonly #stream: GridStream<Uint8Array, Uint8Array>
  readonly #queue: Queue
  readonly #assembly: Assembly
  readonly #waiting = new Map<string, Waiting>()
  #isLeft = false
  #isOver = false

  constructor(init: LinkInit) {
    const { connection, subroute, maxQueuedBytes } = init
    this.host = connection.host
    this.#init = init
    this.#queue = new Queue(maxQueuedBytes)
    this.#assembly = new Assembly(maxQueuedBytes)
    this.#stream = connection
      .subroute(subroute)
      .newStream(clusterStream, undefined, { timeout: Number.POSITIVE_INFINITY })
    this.#stream.draining.addEventListener('abort', () => this.leave(), { once: true })
    // The responses fail with it.
    this.#stream.sink(this.#queue).catch(() => undefined)
    this.#read().then(
      () => this.#end(undefined),
      (error) => this.#end(error)
    )
  }

  say(message: Message): void {
    if (this.#isOver || this.#queue.push(message)) return
    const text = `${this.host} reads too slowly: more than ${this.#init.maxQueuedBytes} bytes wait to be sent to it`
    // Not in this turn, in which the servers of a broadcast are counted.
    Promise.resolve().then(() => this.#end(new Error(text)))
  }

  /** Says what has `id` as its request id, and takes the replies. */
  ask(message: Message, id: string, waiting: Waiting): void {
    this.#waiting.set(id, waiting)
    this.say(message)
  }

  /** No reply to `id` is waited for any more. */
  forget(id: string): void {
    this.#waiting.delete(id)
  }

  /** Takes no more. What was said is still sent, and replies still arrive. */
  leave(end?: { readonly fault: Error | undefined }): void {
    if (this.#isLeft) return
    this.#isLeft = true
    this.#queue.end()
    this.#init.onLeft(end)
  }

  async #read(): Promise<void> {
    for await (const parts of this.#stream.batches()) {
      for (const part of parts) {
        const bytes = this.#assembly.add(part)
        if (bytes !== undefined) this.#onReply(bytes)
      }
    }
  }

  /** @throws {Error} when these are not the bytes of a reply */
  #onReply(bytes: Uint8Array): void {
    const reply = decodeMessage(bytes) as Reply
    this.#waiting.get(reply.id)?.onReply(reply)
  }

  #end(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#queue.drop()
    this.#stream.cancel()
    const fault = toFault(error)
    this.leave({ fault })
    for (const waiting of this.#waiting.values()) waiting.onGone(fault)
    this.#waiting.clear()
  }
}

/** That a server leaves is no fault: one that is there and does not take what is said to it is. */
function toFault(error: unknown): Error | undefined {
  const hasLeft = [DisconnectedError, ShutdownError, ClosedError, UnknownHandlerError].some((known) => known.is(error))
  // It was asked before it had told that it leaves.
  const isLeaving = RejectedError.is(error) && (error.reason === 'unknownHandler' || error.reason === 'goingAway')
  return hasLeft || isLeaving || !(error instanceof Error) ? undefined : error
}

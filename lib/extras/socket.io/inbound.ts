/**
 * What one other server says to this one, over one stream of its: the words are given to the adapters of their namespaces,
 * in order, and the replies go back.
 *
 * The stream ends when no more words follow and nothing is left to be answered.
 */

import { MessageType } from 'socket.io-adapter'
import type { Many, Messages } from '../../index.ts'
import { Assembly, decodeMessage, encodeMessage, textOf } from './message.ts'
import type { Asker, Listener, Questions } from './questions.ts'
import { Queue } from './queue.ts'
import type { Reply, Word } from './words.ts'

export interface InboundInit {
  readonly host: string
  readonly maxQueuedBytes: number
  readonly questions: Questions
  readonly find: (namespace: string) => Listener | undefined
  /** Something was said that could not be done. */
  readonly onFault: (text: string, error: unknown) => void
}

/** What can be answered. */
const questionTypes: ReadonlySet<unknown> = new Set([
  MessageType.BROADCAST,
  MessageType.FETCH_SOCKETS,
  MessageType.SERVER_SIDE_EMIT
])

export class Inbound implements Asker {
  readonly #init: InboundInit
  readonly #queue: Queue
  readonly #assembly: Assembly
  #isRead = false
  #fault: Error | undefined

  constructor(init: InboundInit) {
    this.#init = init
    this.#queue = new Queue(init.maxQueuedBytes)
    this.#assembly = new Assembly(init.maxQueuedBytes)
  }

  /** The responses of the stream. */
  async *replies(): AsyncGenerator<Many<Uint8Array>, void> {
    yield* this.#queue
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Resolves when no more words follow; never rejects. */
  async read(requests: Messages<Uint8Array>): Promise<void> {
    try {
      for await (const parts of requests.batches()) for (const part of parts) this.#onPart(part)
    } catch {
      // The conn is lost, which the stream of this server to the other one tells as well.
      this.close()
    }
    this.#isRead = true
    this.onAnswered()
  }

  reply(reply: Reply): void {
    const message = encodeReply(reply)
    if (this.#queue.push(message)) return
    this.#fault = new Error(`the replies to it have more than ${this.#init.maxQueuedBytes} bytes`)
    this.close()
  }

  onAnswered(): void {
    if (this.#isRead && !this.#init.questions.hasOf(this)) this.#queue.end()
  }

  /** Ends it, though more words may follow. What was answered is still sent. */
  close(): void {
    this.#init.questions.drop(this)
    this.#queue.end()
  }

  #onPart(part: Uint8Array): void {
    try {
      const bytes = this.#assembly.add(part)
      if (bytes !== undefined) this.#onWord(decodeMessage(bytes) as Word)
    } catch (error) {
      this.#init.onFault(`${this.#init.host} said what cannot be read`, error)
    }
  }

  #onWord(word: Word): void {
    const { questions, find } = this.#init
    const id = 'data' in word && 'requestId' in word.data ? word.data.requestId : undefined
    const listener = find(word.nsp)
    if (id === undefined) return this.#tell(listener, word)
    if (listener === undefined) return this.reply({ id, type: 'nobody' })
    if (!questionTypes.has(word.type))
      return this.reply({ id, type: 'error', value: `it cannot be asked ${word.type}` })
    const key = questions.add(this, listener, id, word.within ?? 0)
    if (key === undefined) return
    const asked = { ...word, data: { ...(word as { readonly data: object }).data, requestId: key } }
    this.#tell(listener, asked as Word, key)
  }

  #tell(listener: Listener | undefined, word: Word, key?: string): void {
    try {
      listener?.hear(word)
    } catch (error) {
      this.#init.onFault(`what ${this.#init.host} said to ${word.nsp} failed`, error)
      if (key !== undefined) this.#init.questions.fail(key, textOf(error))
    }
  }
}

/** What a user answers may be something that cannot be sent. */
function encodeReply(reply: Reply) {
  try {
    return encodeMessage(reply)
  } catch (error) {
    return encodeMessage({
      id: reply.id,
      type: 'error',
      value: `its answer cannot be sent: ${textOf(error)}`
    })
  }
}

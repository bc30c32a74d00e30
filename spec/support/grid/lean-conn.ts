/** Two conns within one process of as few objects as can be: of hundreds of thousands each would count. Without delays and bounds. */

import type { Conn } from '../../../lib/conn/conn.ts'
import { DisconnectedError } from '../../../lib/index.ts'

type Result = IteratorResult<Uint8Array>

interface Reader {
  readonly resolve: (result: Result) => void
  readonly reject: (error: Error) => void
}

const done: Result = { done: true, value: undefined }

export class LeanConn implements Conn, AsyncIterableIterator<Uint8Array> {
  readonly secure = true
  readonly remoteAddress = 'memory'
  #other: LeanConn | undefined
  /** What the sink pulls. */
  #iterator: AsyncIterator<Uint8Array> | undefined
  #sunk: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
  #reader: Reader | undefined
  #unread: Uint8Array[] | undefined
  #isOver = false
  #error: Error | undefined

  static pair(): [LeanConn, LeanConn] {
    const [one, other] = [new LeanConn(), new LeanConn()]
    one.#other = other
    other.#other = one
    return [one, other]
  }

  get source(): this {
    return this
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    const value = this.#unread?.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#isOver) return Promise.resolve(done)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  return(): Promise<Result> {
    this.abort(new DisconnectedError('lost', 'the reader stopped'))
    return Promise.resolve(done)
  }

  sink(source: AsyncIterable<Uint8Array>): Promise<void> {
    this.#iterator = source[Symbol.asyncIterator]()
    return new Promise((resolve, reject) => {
      this.#sunk = { resolve, reject }
      this.#pull()
    })
  }

  close(): void {
    setImmediate(() => {
      const other = this.#other
      this.#end()
      if (other !== undefined) other.#end(undefined, new DisconnectedError('lost', 'the remote end closed the conn'))
    })
  }

  abort(error: Error): void {
    const other = this.#other
    this.#unread = undefined
    this.#end(error)
    if (other !== undefined) queueMicrotask(() => other.#end(new DisconnectedError('lost', 'connection lost')))
  }

  /** The memory of a message is not written again: it is never said to be released. So it needs no copy. */
  #receive(value: Uint8Array): void {
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) return reader.resolve({ done: false, value })
    this.#unread ??= []
    this.#unread.push(value)
  }

  #pull(): void {
    this.#iterator?.next().then(this.#onPulled, (error: Error) => this.abort(error))
  }

  readonly #onPulled = (pulled: Result): void => {
    if (this.#isOver) return
    if (pulled.done === true) return this.#sunk?.resolve()
    if (this.#other !== undefined) this.#other.#receive(pulled.value)
    this.#pull()
  }

  /** @param error why it is lost; undefined where it was closed. @param sinkError why what it sends is lost, by default the same */
  #end(error?: Error, sinkError = error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    const [reader, sunk, iterator] = [this.#reader, this.#sunk, this.#iterator]
    this.#other = this.#reader = this.#sunk = this.#iterator = undefined
    if (error === undefined) reader?.resolve(done)
    else reader?.reject(error)
    if (sinkError === undefined) sunk?.resolve()
    else sunk?.reject(sinkError)
    iterator?.return?.()
  }
}

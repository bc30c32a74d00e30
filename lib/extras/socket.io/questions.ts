/**
 * What this server was asked by others and has not answered yet.
 *
 * Each question ends: by its answers, when its namespace or who asked is gone, and when nobody waits for it any more.
 */

import { type ClusterResponse, MessageType } from 'socket.io-adapter'
import type { Reply, Word } from './words.ts'

/** The longest time that a timer can count. */
export const maxTimeoutMs = 2 ** 31 - 1

/** Questions that wait at once: a listener may never answer. */
const maxOpen = 100_000

/** The adapter of a namespace, to those who bring it words. */
export interface Listener {
  /** @throws what the code of the user throws */
  hear(word: Word): void
}

/** The other server. */
export interface Asker {
  reply(reply: Reply): void
  onAnswered(): void
}

interface Question {
  readonly asker: Asker
  readonly listener: Listener
  /** Which the asker knows. */
  readonly id: string
  /** Answers that follow; undefined while that is not known. */
  left: number | undefined
  readonly timer: NodeJS.Timeout
}

export class Questions {
  readonly #open = new Map<string, Question>()
  /** How many of each are open. */
  readonly #ofAsker = new Map<Asker, number>()
  #count = 0

  /** Returns the id by which it is answered here; undefined when there are too many, which it tells who asks. */
  add(asker: Asker, listener: Listener, id: string, withinMs: number): string | undefined {
    if (this.#open.size >= maxOpen) {
      asker.reply({ id, type: 'error', value: `${maxOpen} questions wait for an answer` })
      return undefined
    }
    const key = String(++this.#count)
    const timer = setTimeout(() => this.#end(key), Math.min(withinMs, maxTimeoutMs)).unref()
    this.#open.set(key, { asker, listener, id, left: undefined, timer })
    this.#ofAsker.set(asker, (this.#ofAsker.get(asker) ?? 0) + 1)
    return key
  }

  answer({ type, data }: ClusterResponse): void {
    const question = this.#open.get(data.requestId)
    if (question === undefined) return
    const { asker, id } = question
    if (type === MessageType.BROADCAST_CLIENT_COUNT) {
      question.left = data.clientCount
      asker.reply({ id, type: 'clients', value: data.clientCount })
    } else if (type === MessageType.BROADCAST_ACK) {
      question.left = (question.left ?? 0) - 1
      asker.reply({ id, type: 'ack', value: data.packet })
    } else {
      question.left = 0
      asker.reply({
        id,
        type: 'value',
        value: type === MessageType.FETCH_SOCKETS_RESPONSE ? data.sockets : data.packet
      })
    }
    if (question.left === 0) this.#end(data.requestId)
  }

  /** It cannot be answered. */
  fail(key: string, value: string): void {
    const question = this.#open.get(key)
    question?.asker.reply({ id: question.id, type: 'error', value })
    this.#end(key)
  }

  /** The namespace is closed. */
  leave(listener: Listener): void {
    for (const [key, question] of this.#open) {
      if (question.listener !== listener) continue
      question.asker.reply({ id: question.id, type: 'nobody' })
      this.#end(key)
    }
  }

  /** Who asked is gone. */
  drop(asker: Asker): void {
    for (const [key, question] of this.#open) if (question.asker === asker) this.#end(key)
  }

  hasOf(asker: Asker): boolean {
    return this.#ofAsker.has(asker)
  }

  #end(key: string): void {
    const question = this.#open.get(key)
    if (question === undefined) return
    const { asker, timer } = question
    clearTimeout(timer)
    this.#open.delete(key)
    const left = (this.#ofAsker.get(asker) ?? 1) - 1
    if (left > 0) this.#ofAsker.set(asker, left)
    else this.#ofAsker.delete(asker)
    asker.onAnswered()
  }
}

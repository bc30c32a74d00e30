/** Asks other servers, and gathers their answers: until all have answered or are gone, or the time is over. */

import type { Link } from './link.ts'
import type { Message } from './message.ts'
import type { Reply } from './words.ts'

export interface Question {
  /** Its request id. */
  readonly id: string
  readonly message: Message
  readonly links: readonly Link[]
  /** At most what a timer can count. */
  readonly timeoutMs: number
}

export interface Answers {
  /** In the order in which they came. */
  readonly values: readonly unknown[]
  /** Why some may be missing. A server that has left is no reason. */
  readonly error: Error | null
}

/** One answer of each. Never rejects. */
export function askServers({ id, message, links, timeoutMs }: Question): Promise<Answers> {
  return new Promise((resolve) => {
    const values: unknown[] = []
    const missing = new Set(links)
    let error: Error | null = null
    const settle = () => {
      clearTimeout(timer)
      for (const link of missing) link.forget(id)
      resolve({ values, error })
    }
    const timer = setTimeout(() => {
      error ??= new Error(`no answer within ${timeoutMs} ms from ${[...missing].map(({ host }) => host).join(', ')}`)
      settle()
    }, timeoutMs)
    const done = (link: Link) => {
      link.forget(id)
      missing.delete(link)
      if (missing.size === 0) settle()
    }
    for (const link of links) {
      link.ask(message, id, {
        onReply(reply) {
          if (reply.type === 'value') values.push(reply.value)
          else if (reply.type === 'error') error ??= new Error(`${link.host} cannot answer: ${reply.value}`)
          done(link)
        },
        onGone(fault) {
          error ??= fault ?? null
          done(link)
        }
      })
    }
    if (links.length === 0) settle()
  })
}

export interface AckEvents {
  /** Once for each server: all acks of its clients that will come have come. */
  readonly onServer: (clients: number) => void
  readonly onAck: (value: unknown) => void
}

/** One answer of each client of theirs. */
export function askClients({ id, message, links, timeoutMs }: Question, { onServer, onAck }: AckEvents): void {
  if (links.length === 0) return
  const open = new Set(links)
  const timer = setTimeout(() => {
    for (const link of open) link.forget(id)
  }, timeoutMs)
  for (const link of links) {
    const tally = new Tally(onAck, (clients) => {
      link.forget(id)
      open.delete(link)
      if (open.size === 0) clearTimeout(timer)
      onServer(clients)
    })
    link.ask(message, id, { onReply: (reply) => tally.add(reply), onGone: () => tally.end() })
  }
}

/** The acks of one server. */
class Tally {
  readonly #onAck: (value: unknown) => void
  readonly #onDone: (clients: number) => void
  #expected: number | undefined
  #count = 0

  constructor(onAck: (value: unknown) => void, onDone: (clients: number) => void) {
    this.#onAck = onAck
    this.#onDone = onDone
  }

  add(reply: Reply): void {
    if (reply.type === 'clients') this.#expected = reply.value
    else if (reply.type === 'ack') {
      this.#count++
      this.#onAck(reply.value)
    } else return this.end()
    if (this.#count === this.#expected) this.end()
  }

  /** No more follow. */
  end(): void {
    this.#onDone(this.#count)
  }
}

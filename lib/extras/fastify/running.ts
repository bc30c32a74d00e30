/** The HTTP requests that run, so that a grid is closed after those that may still call it. */

import type { FastifyReply } from 'fastify'

/** That of a timer. */
const maxTimeoutMs = 2 ** 31 - 1

export class Running {
  readonly #replies = new Set<FastifyReply>()
  #onDelete: () => void = () => undefined

  add(reply: FastifyReply): void {
    // Its client went away while a hook before us took its time: nothing more is told of it.
    if (reply.raw.closed || reply.raw.destroyed) return
    this.#replies.add(reply)
    // Also where the client went away first, of which Fastify itself says nothing.
    reply.raw.once('close', () => {
      this.#replies.delete(reply)
      this.#onDelete()
    })
  }

  /** Resolves when those of now have ended, at most after `timeoutMs`. Those that left Fastify, such as WebSockets, are not waited for. */
  async ended(timeoutMs: number): Promise<void> {
    const isEnded = () => [...this.#replies].every(({ sent }) => sent)
    if (isEnded()) return
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(timeoutMs) ? setTimeout(resolve, Math.min(timeoutMs, maxTimeoutMs)) : undefined
      this.#onDelete = () => {
        if (!isEnded()) return
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

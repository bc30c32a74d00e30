/**
 * A host that is looked at for long: a guest of it, and another one whenever that has gone. The first dial says whether the
 * host can be reached at all; later ones are made until it is there again.
 */

import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AnySingle,
  type AnyStreaming,
  type CallArguments,
  type Callable,
  ClosedError,
  DisconnectedError,
  type Guest,
  type HandlerInfo,
  type PayloadOf,
  RejectedError,
  type ResponseOf,
  type StreamOf
} from '../../index.ts'
import { exitCodeOf, exitCodes } from './exit.ts'

/** Between two dials, doubled after each that failed. */
const backoff = { leastMs: 250, mostMs: 5000 } as const

export type Dial = (host: string, signal: AbortSignal) => Promise<Guest>

export class Link implements Callable {
  readonly host: string
  /** Why there is no guest now. */
  lastError: Error | undefined
  readonly #dial: Dial
  readonly #closing = new AbortController()
  readonly #waiting = new Set<() => void>()
  #guest: Guest | undefined
  #handlers: readonly HandlerInfo[] = []
  #waitMs: number = backoff.leastMs

  constructor(host: string, dial: Dial) {
    this.host = host
    this.#dial = dial
  }

  get state(): 'connecting' | 'connected' | 'closed' {
    if (this.#closing.signal.aborted) return 'closed'
    return this.#guest === undefined ? 'connecting' : 'connected'
  }

  /** Rejects when the first dial fails, and dials no more then. */
  async open(): Promise<this> {
    this.#take(await this.#dial(this.host, this.#closing.signal))
    return this
  }

  /** Dials from now on, whatever comes of it. */
  keep(): this {
    void this.#redial()
    return this
  }

  /** Resolves when calls can be made. */
  async waitForConnect({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    while (this.#guest === undefined) {
      signal?.throwIfAborted()
      if (this.state === 'closed') throw new ClosedError(`${this.host} is not looked at any more`)
      await this.#news(signal)
    }
  }

  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>> {
    return this.#there.request(definition, ...args)
  }

  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D> {
    return this.#there.newStream(definition, ...args)
  }

  /** Of the guest that is there now, or was there last. */
  get handlers(): readonly HandlerInfo[] {
    return this.#guest?.handlers ?? this.#handlers
  }

  /** Of the guest that is there now. */
  subroute(name: string): Callable {
    return this.#there.subroute(name)
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClosedError(`${this.host} is not looked at any more`))
    this.#tell()
    await this.#guest?.close({ timeout: 0 })
  }

  /** @throws {DisconnectedError} */
  get #there(): Guest {
    if (this.#guest !== undefined) return this.#guest
    const why = this.lastError === undefined ? '' : `: ${this.lastError.message}`
    throw new DisconnectedError('notConnected', `not connected to ${this.host}${why}`, { delivery: 'notSent' })
  }

  #take(guest: Guest): void {
    this.#guest = guest
    this.lastError = undefined
    this.#waitMs = backoff.leastMs
    this.#tell()
    void guest.closed.then(({ error }) => {
      this.#guest = undefined
      this.#handlers = guest.handlers
      this.lastError = error instanceof Error ? error : new Error('the conn has ended')
      this.#tell()
      void this.#redial()
    })
  }

  async #redial(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        const guest = await this.#dial(this.host, this.#closing.signal)
        if (!this.#closing.signal.aborted) return this.#take(guest)
        return void guest.close({ timeout: 0 })
      } catch (error) {
        this.lastError = error instanceof Error ? error : new Error(String(error))
        this.#tell()
      }
      await pause(this.#waitMs * (0.5 + Math.random() / 2), this.#closing.signal)
      this.#waitMs = Math.min(backoff.mostMs, 2 * this.#waitMs)
    }
  }

  #tell(): void {
    for (const listener of [...this.#waiting]) listener()
  }

  /** Something has changed, or the signal aborts. */
  #news(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#waiting.delete(end)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      this.#waiting.add(end)
      signal?.addEventListener('abort', end)
    })
  }
}

/** Aborts with the first of them. Any number may listen to it. */
export function firstOf(...signals: readonly AbortSignal[]): AbortSignal {
  const signal = AbortSignal.any([...signals])
  setMaxListeners(0, signal)
  return signal
}

/** Resolves after a time, or when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects for nothing else than the signal.
  await delay(ms, undefined, { signal }).catch(() => undefined)
}

/** After a feed has ended: what closes is still there for a moment. */
const againMs = 250

/**
 * Reads a feed of the host again and again, for as long as it lasts.
 *
 * @param onLost hears when the host has gone, and why
 * @throws what is not mended by another conn
 */
export async function follow(
  link: Link,
  signal: AbortSignal,
  read: () => Promise<void>,
  onLost: (why: Error) => void
): Promise<void> {
  for (;;) {
    try {
      await link.waitForConnect({ signal })
      await read()
      signal.throwIfAborted()
      onLost(new Error('it has ended what it told: it closes'))
    } catch (error) {
      signal.throwIfAborted()
      if (!isLoss(error)) throw error
      onLost(error)
    }
    await pause(againMs, signal)
    signal.throwIfAborted()
  }
}

/** It may be there again. */
function isLoss(error: unknown): error is Error {
  if (RejectedError.is(error)) return error.reason === 'goingAway' || error.reason === 'busy'
  return exitCodeOf(error) === exitCodes.lost
}

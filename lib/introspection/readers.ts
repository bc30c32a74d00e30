/**
 * How many streams of `$grid` each peer and each guest has open: each costs this server for as long as it is there, above all
 * `watch`, for which it looks at all of its connections again and again.
 */

import type { Remote } from '../base/remote.ts'
import { RejectedError } from '../errors/errors.ts'
import { runningKey } from '../handler/running.ts'
import type { HandlerContext } from '../hooks/call-info.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'

/** For a host, and for a guest: the option `maxReaders` of its limits. */
export type MaxReaders = Readonly<Record<Remote['role'], number>>

const options: Readonly<Record<Remote['role'], string>> = {
  host: 'limits.maxReaders',
  guest: 'guests.limits.maxReaders'
}

export class Readers {
  readonly #local: string
  readonly #max: MaxReaders
  /** How many, by whose they are. */
  readonly #open = new Map<string, number>()

  constructor(local: string, max: MaxReaders) {
    this.#local = local
    this.#max = max
  }

  /** Refuses the one too many. The last of the interceptors: those before it may refuse a call, too. */
  readonly bound: HandlerInterceptor = {
    streaming: ({ remote }, next) => {
      const max = this.#max[remote.role]
      if ((this.#open.get(runningKey(remote)) ?? 0) < max) return next()
      const text = `${this.#local} has ${max} streams of $grid open for ${remote.host}, and opens no more`
      throw new RejectedError('busy', `${text} (${options[remote.role]})`)
    }
  }

  /** What `make` makes, which is counted until it has ended, or is left, be it unread. */
  read<T>({ remote }: Pick<HandlerContext, 'remote'>, make: () => AsyncGenerator<T, void>): AsyncIterableIterator<T> {
    const values = make()
    const key = runningKey(remote)
    this.#add(key, 1)
    let leave = () => {
      leave = () => undefined
      this.#add(key, -1)
    }
    return {
      async next() {
        try {
          const result = await values.next()
          if (result.done === true) leave()
          return result as IteratorResult<T>
        } catch (error) {
          leave()
          throw error
        }
      },
      async return() {
        leave()
        return await values.return()
      },
      [Symbol.asyncIterator]() {
        return this
      }
    }
  }

  #add(key: string, count: number): void {
    const open = (this.#open.get(key) ?? 0) + count
    if (open === 0) this.#open.delete(key)
    else this.#open.set(key, open)
  }
}

/**
 * How many handlers run for each peer, over all its sessions. That is what limits the calls of a peer.
 *
 * A handler may run on when its call or its session has ended. A peer that connects again must not have as many anew. Guests of
 * one name are not one peer: each has one session, and is counted by its id.
 */

import type { Remote } from '../base/remote.ts'

/** The handlers that run for one peer. */
export interface RunningHandlers {
  count: number
}

type Counted = Pick<Remote, 'role' | 'host' | 'session'>

/** Under which the handlers of a peer are counted. */
export function runningKey({ role, host, session }: Counted): string {
  return role === 'guest' ? session : host
}

export class RunningByPeer {
  readonly #peers = new Map<string, RunningHandlers>()

  /** Those of a peer: the same object for all its sessions. */
  of(remote: Counted): RunningHandlers {
    const key = runningKey(remote)
    const known = this.#peers.get(key)
    if (known !== undefined) return known
    const running = { count: 0 }
    this.#peers.set(key, running)
    return running
  }

  /** Forgets the peer of this key, unless something runs for it: it may open no more calls. Returns whether nothing does. */
  forget(key: string): boolean {
    const isIdle = (this.#peers.get(key)?.count ?? 0) === 0
    if (isIdle) this.#peers.delete(key)
    return isIdle
  }

  /** Forgets the peers that are not among `keys` and for which nothing runs. Those may open no more calls. */
  forgetOthers(keys: ReadonlySet<string>): void {
    for (const [key, { count }] of this.#peers) if (count === 0 && !keys.has(key)) this.#peers.delete(key)
  }
}

/**
 * How many handlers run for each peer, over all its sessions. That is what limits the calls of a peer.
 *
 * A handler may run on when its call or its session has ended. A peer that connects again must not have as many anew.
 */

/** The handlers that run for one peer. */
export interface RunningHandlers {
  count: number
}

export class RunningByHost {
  readonly #hosts = new Map<string, RunningHandlers>()

  /** Those of `host`: the same object for all its sessions. */
  of(host: string): RunningHandlers {
    const known = this.#hosts.get(host)
    if (known !== undefined) return known
    const running = { count: 0 }
    this.#hosts.set(host, running)
    return running
  }

  /** Forgets it, unless something runs for it: it may open no more calls. Returns whether nothing does. */
  forget(host: string): boolean {
    const isIdle = (this.#hosts.get(host)?.count ?? 0) === 0
    if (isIdle) this.#hosts.delete(host)
    return isIdle
  }

  /** Forgets the hosts that are not among `hosts` and for which nothing runs. Those may open no more calls. */
  forgetOthers(hosts: ReadonlySet<string>): void {
    for (const [host, { count }] of this.#hosts) if (count === 0 && !hosts.has(host)) this.#hosts.delete(host)
  }
}

/**
 * A relay between two sockets on loopback that can swallow what comes from either side, and can cut its conns.
 *
 * A blocked direction is a black hole: bytes stop to arrive and nobody is told, not even of an end. What was held back
 * is delivered when it is unblocked. New conns are accepted meanwhile, and get no answer.
 */

import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

export type Direction = 'toDialer' | 'toListener'

/** Where to listen or connect. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

interface Pair {
  readonly fromDialer: net.Socket
  readonly fromListener: net.Socket
}

export class Relay {
  readonly #server: net.Server
  readonly #pairs = new Set<Pair>()
  readonly #blocked = new Set<Direction>()

  private constructor(target: Place) {
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (fromDialer) => {
      this.#join({ fromDialer, fromListener: net.connect({ ...target, allowHalfOpen: true, noDelay: true }) })
    })
  }

  /** Listens at `at` and connects each conn on to `target`. */
  static async start(at: Place, target: Place): Promise<Relay> {
    const relay = new Relay(target)
    relay.#server.listen(at)
    await once(relay.#server, 'listening')
    return relay
  }

  /** The port it listens on, where it has one. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Conns that go through it. */
  get size(): number {
    return this.#pairs.size
  }

  /** From now on nothing arrives in this direction. */
  block(direction: Direction): void {
    this.#blocked.add(direction)
    for (const pair of this.#pairs) this.#flow(pair, direction)
  }

  /** What was held back goes on. */
  unblock(): void {
    this.#blocked.clear()
    for (const pair of this.#pairs)
      for (const direction of ['toDialer', 'toListener'] as const) this.#flow(pair, direction)
  }

  /** Resets all conns. */
  cut(): void {
    for (const { fromDialer, fromListener } of this.#pairs) {
      for (const socket of [fromDialer, fromListener]) {
        if (socket.remotePort === undefined) socket.destroy()
        else socket.resetAndDestroy()
      }
    }
    this.#pairs.clear()
  }

  /** Cuts all conns and stops to listen. */
  async close(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  #join(pair: Pair): void {
    this.#pairs.add(pair)
    this.#watch(pair, pair.fromDialer, pair.fromListener, 'toListener')
    this.#watch(pair, pair.fromListener, pair.fromDialer, 'toDialer')
  }

  #watch(pair: Pair, from: net.Socket, to: net.Socket, direction: Direction): void {
    let failed = false
    from.on('error', () => {
      failed = true
    })
    from.on('close', () => {
      if (from.destroyed && to.destroyed) this.#pairs.delete(pair)
      // Whoever is behind a black hole does not hear of it.
      if ((failed || !from.readableEnded) && !this.#blocked.has(direction)) to.destroy()
    })
    this.#flow(pair, direction)
  }

  #flow({ fromDialer, fromListener }: Pair, direction: Direction): void {
    const [from, to] = direction === 'toListener' ? [fromDialer, fromListener] : [fromListener, fromDialer]
    from.unpipe(to)
    if (this.#blocked.has(direction)) from.pause()
    else if (from.destroyed && !from.readableEnded) to.destroy()
    else from.pipe(to)
  }
}

/**
 * A proxy on loopback that does to bytes what networks do: delays, slices, throttles, swallows, resets, half-closes.
 *
 * It stands between whoever dials it and one target; each direction has faults of its own, which can change at any time
 * and hold for all conns, those to come too. Works on TCP and Unix sockets, and knows nothing of what the bytes mean.
 */

import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type Direction, directions, type Faults, Flow, type Lane, resetSocket } from './flow.ts'
import { invalid } from './options.ts'

/** Where to listen or connect; `host` is by default 127.0.0.1. */
export type Place = { readonly port: number; readonly host?: string } | { readonly path: string }

const localhost = { host: '127.0.0.1' }
const anyPort: Place = { port: 0 }

export class FaultProxy {
  readonly #server: net.Server
  readonly #conns = new Set<ProxyConn>()
  readonly #lanes: Record<Direction, Lane> = {
    outbound: { faults: {}, reset: undefined, passed: 0 },
    inbound: { faults: {}, reset: undefined, passed: 0 }
  }

  #port = 0

  private constructor(target: Place) {
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (fromDialer) => {
      const fromListener = net.connect({ ...target, allowHalfOpen: true, noDelay: true })
      const conn = join(fromDialer, fromListener, this.#lanes, () => this.#conns.delete(conn))
      this.#conns.add(conn)
    })
  }

  /** @internal by `faultProxy` */
  static async start(target: Place, at: Place): Promise<FaultProxy> {
    const proxy = new FaultProxy({ ...localhost, ...target })
    proxy.#server.listen({ ...localhost, ...at })
    await once(proxy.#server, 'listening')
    proxy.#port = (proxy.#server.address() as AddressInfo).port
    return proxy
  }

  /** The port it listens on, where it has one; it had, once it is closed. */
  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Conns that go through it. */
  get size(): number {
    return this.#conns.size
  }

  /** Bytes that it has let through in a direction so far. */
  passed(direction: Direction): number {
    return this.#lanes[direction].passed
  }

  /** From now on these are the faults of a direction, or of both: these, and no others. */
  impair(faults: Faults, ...which: Direction[]): void {
    for (const direction of which.length > 0 ? which : directions) this.#lanes[direction].faults = faults
    for (const { flows } of this.#conns) for (const direction of directions) flows[direction].pump()
  }

  /** From now on nothing gets through in a direction, or in both, and nobody is told, not even of an end. Beside other faults. */
  hold(direction?: Direction): void {
    this.#add({ blackhole: true }, direction)
  }

  /** From now on everything arrives so many ms later, in both directions: an end and a reset too. Beside other faults. */
  delay(ms: number): void {
    const isTime = typeof ms === 'number' && ms >= 0 && ms < 2 ** 31
    if (!isTime) invalid(`delay() takes ms of at least 0, less than 2^31; it was given ${JSON.stringify(ms)}`)
    this.#add({ delayMs: ms })
  }

  /** From now on so much passes in each direction. Beside other faults. */
  throttle(bytesPerSecond: number): void {
    if (!(bytesPerSecond > 0)) invalid(`throttle() takes bytes per second, more than 0; it was given ${bytesPerSecond}`)
    this.#add({ bytesPerSecond })
  }

  /** Ends all faults: what was held back goes on. */
  heal(): void {
    for (const lane of Object.values(this.#lanes)) lane.reset = undefined
    this.impair({})
  }

  /**
   * Lets `bytes` more pass in a direction and resets, both ways, the conn that the next one arrives on; once. Resolves
   * when it has; never where `heal()` or a second one comes first.
   */
  resetAfter(bytes: number, direction: Direction): Promise<void> {
    return new Promise((done) => {
      this.#lanes[direction].reset = { leftBytes: bytes, done }
    })
  }

  /** Ends one direction of all conns in order, as a middle box does; what its sender sends from now on is dropped. */
  halfClose(direction: Direction): void {
    for (const { flows } of this.#conns) flows[direction].end()
  }

  /** Resets all conns. */
  cut(): void {
    for (const conn of this.#conns) conn.reset()
  }

  /** Resets all conns and stops to listen. */
  async close(): Promise<void> {
    this.cut()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(faults: Faults, which?: Direction): void {
    if (which !== undefined && !directions.includes(which))
      invalid(`a direction is ${directions.join(' or ')}; it was ${which}`)
    for (const each of which === undefined ? directions : [which])
      this.impair({ ...this.#lanes[each].faults, ...faults }, each)
  }
}

type ProxyConn = ReturnType<typeof join>

/** Two sockets, and what flows between them. */
function join(dialer: net.Socket, listener: net.Socket, lanes: Record<Direction, Lane>, onGone: () => void) {
  const sockets = [dialer, listener]
  const leave = () => {
    for (const direction of directions) flows[direction].stop()
    onGone()
  }
  const reset = () => {
    leave()
    for (const socket of sockets) resetSocket(socket)
  }
  const flows: Record<Direction, Flow> = {
    inbound: new Flow(dialer, listener, lanes.inbound, reset),
    outbound: new Flow(listener, dialer, lanes.outbound, reset)
  }
  for (const socket of sockets) {
    socket.on('close', () => {
      if (sockets.every(({ destroyed }) => destroyed)) leave()
    })
  }
  return { flows, reset }
}

/**
 * Listens, and connects each conn on to `target`. Dial its `url`, or its `port`, in place of the target.
 *
 * @param at where it listens; default any port of 127.0.0.1
 * @throws {InvalidOptionError} when `target` is no place
 * @throws what listening fails with, such as EADDRINUSE
 */
export async function faultProxy(target: Place, at: Place = anyPort): Promise<FaultProxy> {
  const isPlace = (place: Partial<Record<'port' | 'path', unknown>> | null) =>
    Number.isInteger(place?.port) || typeof place?.path === 'string'
  if (!isPlace(target)) invalid('faultProxy() takes where its target listens: { port: 9000 }, or { path } of a socket')
  if (!isPlace(at)) invalid('the second argument of faultProxy() must be where it listens: { port }, or { path }')
  return await FaultProxy.start(target, at)
}

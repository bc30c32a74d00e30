/**
 * A guest as it sees itself: one conn to one server, on which it makes calls. It is in no list of hosts and serves nothing.
 *
 * It needs no manager, and does not connect again: when its conn has ended, it is over.
 */

import { hostname } from 'node:os'
import type { CallArguments, Callable } from '../call/callable.ts'
import type { StreamOf } from '../call/grid-stream.ts'
import { aSignal, aTimeout } from '../call/options.ts'
import type { StreamEnd } from '../call/stream-call.ts'
import type { ConnDialer } from '../conn/conn.ts'
import { connectWS } from '../conn/connect-ws.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionState, Peer } from '../connection/state.ts'
import { aBoolean, anything, aString, optionsReader, required } from '../errors/check.ts'
import { DisconnectedError, RejectedError } from '../errors/errors.ts'
import { defaultLogger, type Logger, safeLogger } from '../errors/logger.ts'
import {
  defaultPath,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  maxConnMessageBytes,
  maxTimeoutMs
} from '../errors/options.ts'
import { GridFigures } from '../figures/grid-figures.ts'
import type { AnySingle, AnyStreaming, PayloadOf, ResponseOf } from '../handler/definition.ts'
import type { HandlerInfo } from '../handler/info.ts'
import { LocalHandlers } from '../handler/table.ts'
import { anInterceptorList, type CallerInterceptor, listOf } from '../hooks/interceptor.ts'
import type { Auth } from '../peer/auth.ts'
import { dialPeer } from '../peer/dial.ts'
import { createInstance } from '../peer/handshake.ts'
import { serverName, toGuestHost } from '../peer/hosts.ts'
import type { GridEvent } from '../report/events.ts'
import type { ConnectionStats } from '../report/stats.ts'
import type { StreamInfo, StreamsOptions } from '../report/stream-info.ts'
import { Beat } from '../session/beat.ts'
import { toLeftEnd } from '../session/end.ts'
import { anAuth } from './guest-options.ts'
import { aDialer, aLogger, aPath, type CloseOptions, parseGraceMs, readKeepAlive, readLimits } from './options.ts'

/** The names are those of `ManagerOptions`. */
export interface GuestOptions {
  /** How it proves itself to the server, and the server to it: as the `guests.auth` of that server. */
  readonly auth: Auth
  /**
   * Its name in logs and rules, which show it as `guest:NAME`: 1 to 63 lower-case letters, digits, dots, hyphens and
   * underscores. Default: the name of this machine and the id of this process.
   */
  readonly name?: string
  /** The HTTP path of the upgrade. Default `/grid/v1`. */
  readonly path?: string
  /** Makes the conn. Default `connectWS()`. */
  readonly dialer?: ConnDialer
  /** What the server may cost; see `Limits`. */
  readonly limits?: Partial<Limits>
  /** See `KeepAliveOptions`. */
  readonly keepAlive?: Partial<KeepAliveOptions>
  /** Default: warnings and errors to the console. */
  readonly logger?: Logger
  /** Whether each batch has a checksum. Default: on conns without TLS. */
  readonly checksum?: boolean
  /** What stands around its calls, outermost first. */
  readonly interceptors?: readonly CallerInterceptor[]
  /** Time until it is connected, in ms, `Infinity` for none. Default: `limits.handshakeTimeoutMs`, 10 000. */
  readonly timeout?: number
  /** Gives up to connect, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
}

const readGuest = optionsReader<GuestOptions>('dialGuest()', {
  ...{ auth: required(anAuth), name: aString, path: aPath, dialer: aDialer, logger: aLogger, checksum: aBoolean },
  ...{ limits: anything, keepAlive: anything, interceptors: anInterceptorList, timeout: aTimeout, signal: aSignal }
})

/** Makes calls, and serves none. It does not connect again: its state is `connected`, and then `closed` for good. */
export class Guest implements Peer {
  /** What it is called in logs and rules of the server is `guest:` and this. */
  readonly name: string
  /** Resolves, and never rejects, when it has ended: `ended` by its own `close`, else `failed`, with the error. */
  readonly closed: Promise<StreamEnd>
  readonly #connection: Connection
  #resolveClosed!: (end: StreamEnd) => void

  /** @internal made by `dialGuest` */
  constructor(name: string, connection: Connection) {
    this.name = name
    this.#connection = connection
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    connection.on('state', ({ state, reason = '' }) => {
      if (state === 'waiting') void this.#lose(reason)
    })
  }

  /** Canonical name of the server. */
  get host(): string {
    return this.#connection.host
  }

  /** The instance id of the server, new at each of its starts. */
  get instance(): string {
    return this.#connection.instance ?? ''
  }

  get state(): ConnectionState {
    return this.#connection.state
  }

  /** What the server offers; which of it this guest may call, the server decides at each call. */
  get handlers(): readonly HandlerInfo[] {
    return this.#connection.handlers
  }

  /** The last 256 events, oldest first. */
  get recent(): readonly GridEvent[] {
    return this.#connection.recent
  }

  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>> {
    return this.#connection.request(definition, ...args)
  }

  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D> {
    return this.#connection.newStream(definition, ...args)
  }

  subroute(name: string): Callable {
    return this.#connection.subroute(name)
  }

  /** What is open now, and what each half waits for, the longest first. @throws {InvalidOptionError} */
  streams(options?: StreamsOptions): StreamInfo[] {
    return this.#connection.streams(options)
  }

  /** Plain data, cheap to take. */
  stats(): ConnectionStats {
    return { ...this.#connection.stats(), isDialer: true }
  }

  /** Refuses new calls at once, lets running ones end within `timeout`, then aborts the others. Resolves when this is done. */
  async close(options?: CloseOptions): Promise<void> {
    await this.#connection.close({ reason: 'shutdown', text: 'the guest has closed' }, parseGraceMs(options))
    this.#resolveClosed({ how: 'ended' })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Calls that still run may end, as long as the server lets them. */
  async #lose(text: string): Promise<void> {
    const error = this.#connection.lastError ?? new DisconnectedError('lost', text)
    await this.#connection.close(toLeftEnd(error, text), maxTimeoutMs)
    this.#resolveClosed({ how: 'failed', error })
  }
}

/**
 * Connects to a server as a guest. The server must have the option `guests`.
 *
 * @throws {RejectedError} when the server refuses: `noGuests`, `guestRefused`, `tooManyGuests`, or as any handshake; `unknownHost`
 * of a server of an older version
 * @throws {DialError} when no conn can be made
 * @throws {HandshakeError} when there is no session in time, or what is there is not this server
 * @throws {InvalidOptionError} naming the option that is wrong
 * @throws `signal.reason` when the signal aborted
 */
export async function dialGuest(host: string, options: GuestOptions): Promise<Guest> {
  const read = readGuest(options)
  const { name = createName(), path = defaultPath, dialer = connectWS(), checksum, interceptors, auth } = read
  const remote = serverName(host)
  const limits = readLimits({ ...read.limits, ...toHandshakeTimeout(read.timeout) })
  const logger = safeLogger(read.logger ?? defaultLogger)
  const figures = new GridFigures(`guest:${name}`)
  const session = {
    limits,
    beat: new Beat(readKeepAlive(read.keepAlive).intervalMs),
    handlers: new LocalHandlers(limits.maxNameBytes, undefined, figures)
  }
  const largest = maxConnMessageBytes(limits)
  const init = {
    ...{ local: toGuestHost(name), instance: createInstance(), auth, session, checksum },
    connect: (to: string, signal: AbortSignal) => dialer(to, { signal, path, maxConnMessageBytes: largest })
  }
  const signal = read.signal ?? new AbortController().signal
  signal.throwIfAborted()
  const established = await dialPeer(init, remote, signal, 'guest')
  const hooks = { local: `guest:${name}`, interceptors: listOf(interceptors) }
  const dial = () => Promise.reject(new RejectedError('denied', 'a guest dials once'))
  const connection = new Connection({
    ...{ host: remote, dials: false, dial, reconnect: defaultReconnect, logger, calls: { figures, hooks } }
  })
  const guest = new Guest(name, connection)
  connection.adopt(established)
  try {
    await connection.waitForConnect({ signal })
  } catch (error) {
    void guest.close({ timeout: 0 })
    throw signal.aborted ? signal.reason : (connection.lastError ?? error)
  }
  return guest
}

function toHandshakeTimeout(timeout: number | undefined): Partial<Limits> {
  return timeout === undefined ? {} : { handshakeTimeoutMs: Math.min(Math.ceil(timeout), maxTimeoutMs) }
}

/** Of what a machine may be called, what is in the name of a guest. */
function createName(): string {
  const machine = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 40)
  return `${machine === '' ? 'guest' : machine}-${process.pid}`
}

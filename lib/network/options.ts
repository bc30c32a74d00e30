/** The options of a manager, of `handle` and of `close`: their defaults and their checks. */

import { aSignal, aTimeout } from '../call/options.ts'
import type { ConnDialer } from '../conn/conn.ts'
import { connectDuplex } from '../conn/connect-duplex.ts'
import { connectWS } from '../conn/connect-ws.ts'
import {
  aBoolean,
  aFunction,
  anything,
  aRecord,
  aString,
  aWholeNumber,
  type Kind,
  objectWith,
  optionsReader,
  required
} from '../errors/check.ts'
import { defaultLogger, type Logger, safeLogger } from '../errors/logger.ts'
import {
  defaultCloseTimeoutMs,
  defaultKeepAlive,
  defaultLimits,
  defaultPath,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  maxLimit,
  maxTimeoutMs,
  numbersReader,
  type ReconnectOptions
} from '../errors/options.ts'
import type { HandlerCall } from '../hooks/call-info.ts'
import {
  aHandlerInterceptorList,
  anInterceptorList,
  type CallerInterceptor,
  type HandlerInterceptor,
  listOf
} from '../hooks/interceptor.ts'
import type { Auth } from '../peer/auth.ts'
import { serverName } from '../peer/hosts.ts'
import type { Rule } from '../rules/authorize.ts'
import { anAuth, type GuestsOptions, parseGuests } from './guest-options.ts'
import { anIterableOfHosts, type HostList, type Hosts } from './host-lists.ts'

export interface ManagerOptions {
  /** The name of this server: an origin such as `https://node-1:9000`. */
  readonly local: string
  /**
   * All servers of the grid, including this one. An async iterable yields the complete list each time it changes: a new host
   * gets a connection, the connection to a removed host is drained and closed.
   */
  readonly hosts: Hosts
  /** How servers prove their identity: `sharedSecret(...)`, `mutualTLS()`, `insecure()`, or an `Auth` of your own. */
  readonly auth: Auth
  /** The HTTP path of the upgrade, the same on all servers. Default `/grid/v1`. */
  readonly path?: string
  /** Makes conns. Default `connectWS()`. */
  readonly dialer?: ConnDialer
  /** Default: warnings and errors to the console. */
  readonly logger?: Logger
  /** What one peer may cost; see `Limits`. */
  readonly limits?: Partial<Limits>
  /** See `KeepAliveOptions`. */
  readonly keepAlive?: Partial<KeepAliveOptions>
  /** See `ReconnectOptions`. */
  readonly reconnect?: Partial<ReconnectOptions>
  /** Whether each batch has a checksum. Default: on conns without TLS. Both ends use it when either wants it. */
  readonly checksum?: boolean
  /**
   * Calls of peers wait until this resolves, within their deadlines and limits: for a store to be open. Register the handlers
   * at once: one that comes later is unknown to callers without `waitForReady` until then. When it rejects, calls are refused
   * as `busy`, and the reason is logged. Calls of this server to itself do not wait. Default: no wait.
   */
  readonly serveWhen?: PromiseLike<unknown>
  /** What stands around all calls, outermost first. At a handler those of `handle` come inside of these. */
  readonly interceptors?: InterceptorsOptions
  /**
   * Registers the `$grid` handlers, by which this server can be looked into: `true` for all servers of the grid and no guest, or
   * a rule that says which calls may, those of guests included. See `introspection`. Default false.
   */
  readonly introspection?: boolean | Rule<HandlerCall>
  /** Lets programs in that are in no list of hosts. See `GuestsOptions`. Default: none. */
  readonly guests?: GuestsOptions
  /** Which `Origin` headers are accepted in an upgrade. Default none: browsers are not peers. */
  readonly allowOrigin?: (origin: string) => boolean
}

export interface InterceptorsOptions {
  /** Around the calls that this server makes. */
  readonly caller?: readonly CallerInterceptor[]
  /** Around the handlers of this server, when they are called. */
  readonly handler?: readonly HandlerInterceptor[]
}

export interface UnhandleOptions {
  /** The static subroute of the handler. Default none. */
  readonly subroute?: string
}

export interface HandleOptions<Payload = unknown> {
  /** The static subroute of the handler, which callers name with `connection.subroute(name)`. Default none. */
  readonly subroute?: string
  /** What stands around this handler, outermost first, inside of those of the manager. */
  readonly interceptors?: readonly HandlerInterceptor<Payload>[]
}

export interface CloseOptions {
  /** Time for running calls to end, in ms. Then they are aborted. `Infinity` waits for all of them. Default 10 000. */
  readonly timeout?: number
}

/** Which peers. */
export interface PeerSelection {
  /** Default: all other servers. A name that is not in the grid, a name twice and an empty list are refused. */
  readonly hosts?: HostList
  /** This server too, which is always there. Default false. */
  readonly self?: boolean
}

/** How many of them. */
export interface PeerCount extends PeerSelection {
  /** Default: all of them. */
  readonly atLeast?: number
}

export interface PeersWaitOptions extends PeerCount {
  /** Time to wait, in ms. Default: as long as it takes. */
  readonly timeout?: number
  /** Ends the wait, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
}

/** The checked options of a manager with all defaults; the lists of hosts are checked in `host-lists.ts`. */
export type Settings = ReturnType<typeof parseOptions>

export const readLimits = numbersReader('limits', defaultLimits)
export const readKeepAlive = numbersReader('keepAlive', defaultKeepAlive)
const readReconnect = numbersReader('reconnect', defaultReconnect)

/** For options of its groups, and of other functions, that are given to a manager. */
const places = {
  ...{
    secret: 'use auth: sharedSecret(secret)',
    tls: 'use dialer: connectWS({ tls })',
    headers: 'use dialer: connectWS({ headers })'
  },
  ...{ timeout: 'it is an option of each call, and of close()', handlers: 'use manager.handle(definition, fn)' },
  ...placesIn('limits', defaultLimits),
  ...placesIn('keepAlive', defaultKeepAlive),
  ...placesIn('reconnect', defaultReconnect)
}

export const aPath: Kind = {
  must: 'must be a URL path such as /grid/v1: in its encoded form, with a leading slash and without a query',
  is: isPath
}

export const aLogger: Kind = objectWith(
  'must have the methods debug, info, warn and error',
  ...['debug', 'info', 'warn', 'error']
)

/** Those that make dialers are functions, too. */
export const aDialer: Kind = {
  must: 'must be what connectWS() or connectDuplex(connect) returns (call it), or a function of your own that makes conns',
  is: (value) => aFunction.is(value) && value !== connectWS && value !== connectDuplex
}

const readManager = optionsReader<ManagerOptions>(
  'Manager',
  {
    local: required({ ...aString, must: 'must be the name of this server, an origin such as https://node-1:9000' }),
    hosts: required(objectWith('must be an iterable of host names, or an async iterable of such lists')),
    auth: required(anAuth),
    path: aPath,
    dialer: aDialer,
    logger: aLogger,
    limits: anything,
    keepAlive: anything,
    reconnect: anything,
    checksum: aBoolean,
    serveWhen: objectWith('must be a promise', 'then'),
    interceptors: aRecord,
    introspection: {
      must: 'must be true, false, or a function that says who may look',
      is: (value) => typeof value === 'boolean' || typeof value === 'function'
    },
    guests: { ...aRecord, must: 'must be an object with a rule, allow, that says which calls guests may make' },
    allowOrigin: aFunction
  },
  places
)

/** @throws {InvalidOptionError} naming the option that is wrong */
export const readUnhandleOptions = optionsReader<UnhandleOptions>('unhandle()', { subroute: aString })
export const readHandleOptions = optionsReader<HandleOptions>('handle()', {
  subroute: aString,
  interceptors: aHandlerInterceptorList
})

const readInterceptors = optionsReader<InterceptorsOptions>('interceptors', {
  caller: anInterceptorList,
  handler: aHandlerInterceptorList
})

/** @throws {InvalidOptionError} naming the option that is wrong */
export const readPeersWait = optionsReader<PeersWaitOptions>('waitForPeers()', {
  hosts: anIterableOfHosts,
  self: aBoolean,
  atLeast: aWholeNumber(1, maxLimit),
  timeout: aTimeout,
  signal: aSignal
})

const readClose = optionsReader<CloseOptions>('close()', {
  timeout: { must: 'must be a number of at least 0', is: (value) => typeof value === 'number' && value >= 0 }
})

/** @throws {InvalidOptionError} naming the option that is wrong */
export function parseOptions(options: ManagerOptions) {
  const read = readManager(options)
  const { path = defaultPath, dialer = connectWS(), logger = defaultLogger } = read
  const { caller, handler } = readInterceptors(read.interceptors)
  const local = serverName(read.local, 'local')
  const limits = readLimits(read.limits)
  return {
    ...{ ...read, local },
    hooks: { caller: { local, interceptors: listOf(caller) }, handler: { local, interceptors: listOf(handler) } },
    ...{ path, dialer },
    logger: safeLogger(logger),
    limits,
    guests: parseGuests(read.guests, read.auth, limits),
    keepAlive: readKeepAlive(read.keepAlive),
    reconnect: readReconnect(read.reconnect)
  }
}

/**
 * The grace of a shutdown in ms, at most what a timer can count.
 *
 * @throws {InvalidOptionError} when the timeout is not a number of at least 0
 */
export function parseGraceMs(options: CloseOptions | undefined): number {
  const { timeout = defaultCloseTimeoutMs } = readClose(options)
  return Math.min(timeout, maxTimeoutMs)
}

function placesIn(group: string, defaults: object): Record<string, string> {
  return Object.fromEntries(Object.keys(defaults).map((name) => [name, `it belongs in ${group}: { ${name} }`]))
}

/** A path in any form but the encoded one would never match that of a request. */
function isPath(path: unknown): boolean {
  return typeof path === 'string' && path.startsWith('/') && new URL(`http://a${path}`).pathname === path
}

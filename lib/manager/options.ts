/** The options of a manager, of `handle` and of `close`: their defaults and their checks. */

import { InvalidOptionError } from '../base/errors.ts'
import { defaultLogger, type Logger, safeLogger } from '../base/logger.ts'
import {
  defaultCloseTimeoutMs,
  defaultKeepAlive,
  defaultLimits,
  defaultPath,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  maxTimeoutMs,
  type ReconnectOptions,
  withDefaults
} from '../base/options.ts'
import type { ConnDialer } from '../conn/conn.ts'
import { connectWS } from '../conn/connect-ws.ts'
import type { Auth } from '../peer/auth.ts'
import { canonicalHost } from '../peer/hosts.ts'
import type { Hosts } from './host-lists.ts'

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
  /** Which `Origin` headers are accepted in an upgrade. Default none: browsers are not peers. */
  readonly allowOrigin?: (origin: string) => boolean
}

export interface HandleOptions {
  /** The static subroute of the handler, which callers name with `connection.subroute(name)`. Default none. */
  readonly subroute?: string
}

export interface CloseOptions {
  /** Time for running calls to end, in ms. Then they are aborted. `Infinity` waits for all of them. Default 10 000. */
  readonly timeout?: number
}

/** The checked options of a manager with all defaults, but without the hosts: those are checked in `host-lists.ts`. */
export type Settings = ReturnType<typeof parseOptions>

/** @throws {InvalidOptionError} naming the option that is wrong */
export function parseOptions(options: ManagerOptions) {
  const { auth, path = defaultPath, dialer = connectWS(), logger = defaultLogger, checksum, allowOrigin } = options
  const isAuth = typeof auth?.prove === 'function' && typeof auth.verify === 'function'
  check(isAuth, 'auth is required: sharedSecret(...), mutualTLS(), insecure(), or an Auth of your own')
  check(isPath(path), 'path must be a URL path in its encoded form, with a leading slash and without a query')
  check(typeof dialer === 'function', 'dialer must be a function that makes conns, such as connectWS()')
  check(isLogger(logger), 'logger must have the methods debug, info, warn and error')
  check(checksum === undefined || typeof checksum === 'boolean', 'checksum must be a boolean')
  check(allowOrigin === undefined || typeof allowOrigin === 'function', 'allowOrigin must be a function')
  return {
    local: canonicalHost(options.local),
    auth,
    path,
    dialer,
    logger: safeLogger(logger),
    checksum,
    allowOrigin,
    limits: withDefaults('limits', defaultLimits, options.limits),
    keepAlive: withDefaults('keepAlive', defaultKeepAlive, options.keepAlive),
    reconnect: withDefaults('reconnect', defaultReconnect, options.reconnect)
  }
}

/**
 * The grace of a shutdown in ms, at most what a timer can count.
 *
 * @throws {InvalidOptionError} when the timeout is not a number of at least 0
 */
export function parseGraceMs({ timeout = defaultCloseTimeoutMs }: CloseOptions): number {
  check(typeof timeout === 'number' && timeout >= 0, 'timeout must be a number of at least 0')
  return Math.min(timeout, maxTimeoutMs)
}

function check(holds: boolean, text: string): asserts holds {
  if (!holds) throw new InvalidOptionError(text)
}

/** A path in any form but the encoded one would never match that of a request. */
function isPath(path: unknown): boolean {
  return typeof path === 'string' && path.startsWith('/') && new URL(`http://a${path}`).pathname === path
}

function isLogger(logger: Logger): boolean {
  return (['debug', 'info', 'warn', 'error'] as const).every((level) => typeof logger?.[level] === 'function')
}

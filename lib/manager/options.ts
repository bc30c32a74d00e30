/** What a manager can be told when it is made and when it closes, the defaults of that, and the checks of it. */

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
   * Every server of the grid, this one included. An async iterable gives the whole list anew each time it changes: a
   * host that appears gets a connection, one that goes is drained and closed.
   */
  readonly hosts: Hosts
  /** How servers prove who they are: `sharedSecret(...)`, `mutualTLS()`, `insecure()`, or an `Auth` of your own. */
  readonly auth: Auth
  /** The HTTP path of the upgrade, the same on every server. Default `/grid/v1`. */
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
  /** A checksum with each batch. Default: on conns that are not protected by TLS. Both ends have it as soon as one wants it. */
  readonly checksum?: boolean
  /** Which `Origin` headers may upgrade. Default none: browsers are not peers. */
  readonly allowOrigin?: (origin: string) => boolean
}

export interface HandleOptions {
  /** Registers under a static subroute, which the caller names with `connection.subroute(name)`. Default none. */
  readonly subroute?: string
}

export interface CloseOptions {
  /** Time for running calls to end, in ms; then they are aborted. `Infinity` waits for all of them. Default 10 000. */
  readonly timeout?: number
}

/** The options of a manager, checked, with every default filled in; the hosts are checked where they are followed. */
export type Settings = ReturnType<typeof settingsOf>

/** @throws {InvalidOptionError} naming the option that is wrong */
export function settingsOf(options: ManagerOptions) {
  const { auth, path = defaultPath, dialer = connectWS(), logger = defaultLogger, checksum, allowOrigin } = options
  const isAuth = typeof auth?.prove === 'function' && typeof auth.verify === 'function'
  check(isAuth, 'auth is required: sharedSecret(...), mutualTLS(), insecure(), or an Auth of your own')
  check(isPath(path), 'path must be the path of a URL as it is sent, with a leading slash and without a query')
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
 * The grace of a shutdown in ms, as a timer can count it.
 *
 * @throws {InvalidOptionError} when the timeout is no number of at least 0
 */
export function graceMsOf({ timeout = defaultCloseTimeoutMs }: CloseOptions): number {
  check(typeof timeout === 'number' && timeout >= 0, 'timeout must be a number of at least 0')
  return Math.min(timeout, maxTimeoutMs)
}

function check(holds: boolean, text: string): asserts holds {
  if (!holds) throw new InvalidOptionError(text)
}

/** A path that is spelled in any other way than on the wire would never match. */
function isPath(path: unknown): boolean {
  return typeof path === 'string' && path.startsWith('/') && new URL(`http://a${path}`).pathname === path
}

function isLogger(logger: Logger): boolean {
  return (['debug', 'info', 'warn', 'error'] as const).every((level) => typeof logger?.[level] === 'function')
}

/**
 * Which peers: the hosts that were named, or all of the list, and this server where it is to be one of them.
 *
 * What cannot be is refused before anything is sent. Who is connected does not matter here.
 */

import { aSignal, aTimeout, type CallOptions } from '../call/options.ts'
import type { Connection } from '../connection/connection.ts'
import { aBoolean, anything, aString, type Kinds } from '../errors/check.ts'
import { ClosedError, GridError, InvalidOptionError, UnknownHostError } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import type { LocalHandlers } from '../handler/table.ts'
import { canonicalHost, hintAtHost } from '../peer/hosts.ts'
import { anIterableOfHosts } from './host-lists.ts'
import type { PeerSelection } from './options.ts'
import type { Peers } from './peers.ts'

/** What the calls at several peers need from their manager. */
export interface PeersPort {
  readonly local: string
  readonly peers: Peers
  readonly logger: Logger
  /** Why there is no list of hosts yet; undefined once there is one. */
  missingList(): Error | undefined
  readonly isClosing: boolean
  /** The connection of this server to itself, */
  self(): Connection
  /** and what can be called on it. */
  readonly handlers: LocalHandlers
}

/** A call at peers that the grid chooses. */
export interface PeersCallOptions extends PeerSelection, CallOptions {
  /** The static subroute of the handler. Default none. */
  readonly subroute?: string
}

export const peersCallKinds: Kinds<PeersCallOptions> = {
  ...{ hosts: anIterableOfHosts, self: aBoolean, subroute: aString },
  ...{ timeout: aTimeout, signal: aSignal, metadata: anything, waitForReady: aBoolean }
}

/**
 * The connections to them, in the order of `hosts` or of the list.
 *
 * @throws {InvalidOptionError} when `hosts` is empty, or has a host twice
 * @throws {UnknownHostError} when one of `hosts` is not in the grid, or there is no list of hosts yet
 * @throws {ClosedError} when the manager is closed
 */
export function selectPeers(port: PeersPort, { hosts, self = false }: PeerSelection, method: string): Connection[] {
  if (port.isClosing) throw new ClosedError('the manager is closed', { delivery: 'notSent' })
  const names = hosts === undefined ? undefined : parseNames(hosts, method)
  if (names === undefined && port.missingList() !== undefined) throw createUnknownError(port)
  checkKnown(port, names)
  return toNames(port, names, self).map((name) =>
    name === port.local ? port.self() : (port.peers.find(name) as Connection)
  )
}

/** @throws {InvalidOptionError} */
export function parseNames(hosts: Iterable<string>, method: string): string[] {
  const names = [...hosts].map(toName)
  const refuse = (text: string) => {
    throw new InvalidOptionError(`hosts of ${method} must not ${text}`, { delivery: 'notSent' })
  }
  if (names.length === 0) refuse('be empty')
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) refuse(`have a host twice; ${twice} is there twice`)
  return names
}

function toName(host: string): string {
  try {
    return canonicalHost(host)
  } catch (error) {
    throw GridError.is(error) ? error.ofCall('notSent') : error
  }
}

/** @throws {UnknownHostError} */
export function checkKnown(port: PeersPort, names: readonly string[] | undefined): void {
  const unknown = names?.find((name) => !isKnown(port, name))
  if (unknown !== undefined) throw createUnknownError(port, unknown)
}

/** Whether it is in the grid now. */
export function isKnown({ local, peers }: PeersPort, name: string): boolean {
  return name === local || peers.find(name) !== undefined
}

/** Of a host that is not on the list, or of all while there is none; `cause` says why. */
export function createUnknownError(port: PeersPort, name?: string): UnknownHostError {
  const missing = port.missingList()
  if (missing === undefined) {
    const hint =
      name === undefined ? '' : hintAtHost(name, [port.local, ...port.peers.connections.map(({ host }) => host)])
    return new UnknownHostError(`${name} is not among the hosts of this grid${hint}`, { delivery: 'notSent' })
  }
  const what = name === undefined ? 'no host is known' : `${name} is not known`
  return new UnknownHostError(`${what}: ${missing.message}`, { delivery: 'notSent', cause: missing })
}

export function toNames({ local, peers }: PeersPort, names: readonly string[] | undefined, self: boolean): string[] {
  const all = names ?? peers.connections.map(({ host }) => host)
  return self && !all.includes(local) ? [...all, local] : [...all]
}

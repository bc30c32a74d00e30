/**
 * What a server says of itself to those that start, restart and route to it, such as the probes of Kubernetes.
 *
 * It looks at what is known anyway and waits for nothing, so that a probe has its answer at once.
 */

import { aBoolean, aWholeNumber, optionsReader } from '../errors/check.ts'
import { maxLimit } from '../errors/options.ts'
import { describeAnswers } from '../errors/quorum-error.ts'
import type { Serving } from '../handler/serving.ts'
import { anIterableOfHosts } from '../network/host-lists.ts'
import type { PeerCount } from '../network/options.ts'
import { type PeersPort, parseNames } from '../network/selection.ts'
import { isConnected, lookAt } from '../network/wait-for-peers.ts'

export interface Health {
  /** Whether it can get ready by itself. If not, only another process helps. */
  readonly live: boolean
  /** Whether calls of peers are served, and those peers are connected that it needs. */
  readonly ready: boolean
  /** Why it is not ready, a sentence each, for people; none where it is. Names of hosts are in them, and errors of dials. */
  readonly reasons: readonly string[]
}

const readHealth = optionsReader<PeerCount>('health()', {
  hosts: anIterableOfHosts,
  self: aBoolean,
  atLeast: aWholeNumber(0, maxLimit)
})

/** @param isOver the manager is closed, its last call included */
export function healthOf(port: PeersPort, isOver: boolean, given?: PeerCount): Health {
  const { hosts, self = false, atLeast } = readHealth(given)
  const names = hosts === undefined ? undefined : parseNames(hosts, 'health()')
  const { serving } = port.handlers
  const reasons = [
    isOver ? `${port.local} is closed` : port.isClosing ? `${port.local} is shutting down` : undefined,
    describeServing(serving),
    port.missingList()?.message,
    describePeers(port, names, self, atLeast ?? names?.length ?? 0)
  ].filter((reason) => reason !== undefined)
  const live = !isOver && serving?.hasFailed !== true
  return Object.freeze({ live, ready: reasons.length === 0, reasons: Object.freeze(reasons) })
}

function describeServing(serving: Serving | undefined): string | undefined {
  if (serving === undefined || serving.isOpen) return undefined
  if (!serving.hasFailed) return 'serveWhen has not resolved yet, and calls of peers wait for it'
  return 'serveWhen has rejected, and calls of peers are refused; the log has the reason'
}

function describePeers(port: PeersPort, names: string[] | undefined, self: boolean, need: number): string | undefined {
  if (need === 0) return undefined
  const answers = lookAt(port, names, self)
  return answers.filter(isConnected).length >= need ? undefined : describeAnswers(need, answers)
}

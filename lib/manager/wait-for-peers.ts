/**
 * Waits until so many peers are connected, and says now and then which are missing and why.
 *
 * Which peers count is read anew at each change: lists of hosts may change meanwhile.
 */

import { listenToAbort } from '../base/abort.ts'
import { setDeadline } from '../base/after-reading.ts'
import { InvalidOptionError, UnknownHostError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { type Answer, describeAnswers, QuorumError } from '../base/quorum-error.ts'
import { canonicalHost } from '../peer/hosts.ts'
import { type PeersWaitOptions, readPeersWait } from './options.ts'
import type { Peers } from './peers.ts'

/** Between two lines of the log. */
const tellEveryMs = 5000

export interface WaitPort {
  readonly local: string
  readonly peers: Peers
  readonly logger: Logger
  /** Why there is no list of hosts yet; undefined once there is one. */
  readonly missingList: () => Error | undefined
}

/** @throws as `Manager.waitForPeers` */
export async function waitForPeers(port: WaitPort, given: PeersWaitOptions | undefined): Promise<void> {
  const { hosts, self = false, atLeast, timeout = Number.POSITIVE_INFINITY, signal } = readPeersWait(given)
  const names = hosts === undefined ? undefined : parseNames(hosts)
  const look = () => lookAt(port, names, self)
  if (port.missingList() === undefined) checkPossible(port, look(), names, atLeast)
  const need = () => atLeast ?? look().length
  const isReached = () => port.missingList() === undefined && look().filter(isConnected).length >= need()
  let end = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const check = () => {
        if (isReached()) resolve()
      }
      const unlisten = signal === undefined ? undefined : listenToAbort(signal, reject)
      const leave = port.peers.onChange(check, reject)
      // Without a list there is nobody to name.
      const why = () => (names === undefined ? port.missingList()?.message : undefined)
      const tell = () => port.logger.warn(`waiting for peers: ${why() ?? describeAnswers(need(), look())}`)
      const telling = setInterval(tell, tellEveryMs).unref()
      const expire = () => reject(new QuorumError(need(), look(), { delivery: 'notSent', text: why() }))
      const timer = timeout === Number.POSITIVE_INFINITY ? undefined : setDeadline(expire, timeout)
      end = () => {
        unlisten?.()
        leave()
        clearInterval(telling)
        clearTimeout(timer)
      }
      check()
    })
  } finally {
    end()
  }
}

function isConnected({ error }: Answer<undefined>): boolean {
  return error === undefined
}

function lookAt({ local, peers, missingList }: WaitPort, names: readonly string[] | undefined, self: boolean) {
  const missing = missingList()
  const all = names ?? peers.connections.map(({ host }) => host)
  const withSelf = self && !all.includes(local) ? [...all, local] : all
  return withSelf.map((host): Answer<undefined> => {
    if (host === local) return { host, value: undefined }
    const connection = peers.find(host)
    if (connection?.state === 'connected') return { host, value: undefined }
    const unknown = () => missing ?? new UnknownHostError(`${host} is not among the hosts of this grid`)
    return { host, error: connection?.createNotConnectedError() ?? unknown() }
  })
}

/** @throws {InvalidOptionError} */
function parseNames(hosts: Iterable<string>): string[] {
  const names = [...hosts].map(canonicalHost)
  if (names.length === 0) throw new InvalidOptionError('hosts of waitForPeers() must not be empty')
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice === undefined) return names
  throw new InvalidOptionError(`hosts of waitForPeers() must not have a host twice; ${twice} is there twice`)
}

function checkPossible(
  { local, peers }: WaitPort,
  answers: readonly Answer<undefined>[],
  names: readonly string[] | undefined,
  atLeast: number | undefined
): void {
  const unknown = names?.find((name) => name !== local && peers.find(name) === undefined)
  if (unknown !== undefined) throw new UnknownHostError(`${unknown} is not among the hosts of this grid`)
  if (atLeast !== undefined && atLeast > answers.length) {
    const text = `atLeast of waitForPeers() must be at most the number of peers, ${answers.length}; it is ${atLeast}`
    throw new InvalidOptionError(text)
  }
}

/**
 * Waits until so many peers are connected, and says now and then which are missing and why.
 *
 * Which peers count is read anew at each change: lists of hosts may change meanwhile.
 */

import { listenToAbort } from '../base/abort.ts'
import { InvalidOptionError, UnknownHostError } from '../errors/errors.ts'
import { type Answer, describeAnswers, QuorumError } from '../errors/quorum-error.ts'
import { setDeadline } from '../time/after-reading.ts'
import { type PeersWaitOptions, readPeersWait } from './options.ts'
import { checkKnown, type PeersPort, parseNames, toNames } from './selection.ts'

/** Between two lines of the log. */
const tellEveryMs = 5000

/** @throws as `Manager.waitForPeers` */
export async function waitForPeers(port: PeersPort, given: PeersWaitOptions | undefined): Promise<void> {
  const { hosts, self = false, atLeast, timeout = Number.POSITIVE_INFINITY, signal } = readPeersWait(given)
  const names = hosts === undefined ? undefined : parseNames(hosts, 'waitForPeers()')
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

export function isConnected({ error }: Answer<undefined>): boolean {
  return error === undefined
}

/** Which of them are connected, and why the others are not. */
export function lookAt(port: PeersPort, names: readonly string[] | undefined, self: boolean) {
  const { local, peers } = port
  const missing = port.missingList()
  return toNames(port, names, self).map((host): Answer<undefined> => {
    if (host === local) return { host, value: undefined }
    const connection = peers.find(host)
    if (connection?.state === 'connected') return { host, value: undefined }
    const unknown = () => missing ?? new UnknownHostError(`${host} is not among the hosts of this grid`)
    return { host, error: connection?.createNotConnectedError() ?? unknown() }
  })
}

function checkPossible(
  port: PeersPort,
  answers: readonly Answer<undefined>[],
  names: readonly string[] | undefined,
  atLeast: number | undefined
): void {
  checkKnown(port, names)
  if (atLeast !== undefined && atLeast > answers.length) {
    const text = `atLeast of waitForPeers() must be at most the number of peers, ${answers.length}; it is ${atLeast}`
    throw new InvalidOptionError(text)
  }
}

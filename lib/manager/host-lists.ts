/** Follows where the list of hosts comes from: one list for good, or an async iterable of lists. */

import { InvalidOptionError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { errorText } from '../base/text.ts'

export type Hosts = Iterable<string> | AsyncIterable<Iterable<string>>

export interface HostLists {
  /** Resolves with the first list, or when it is stopped before. */
  readonly ready: Promise<void>
  stop(): void
}

/**
 * Calls `onList` with each list. One that `onList` throws at is logged and ignored; the one before stays in force. A
 * single list is handed over before this returns, and may throw.
 *
 * @throws {InvalidOptionError} when `hosts` is neither
 */
export function followHosts(hosts: Hosts, onList: (hosts: Iterable<string>) => void, logger: Logger): HostLists {
  if (typeof hosts !== 'object' || hosts === null || !(Symbol.asyncIterator in hosts || Symbol.iterator in hosts)) {
    throw new InvalidOptionError('hosts must be an iterable of host names, or an async iterable of such lists')
  }
  if (Symbol.asyncIterator in hosts) return followLists(hosts, onList, logger)
  onList(hosts)
  return { ready: Promise.resolve(), stop: () => undefined }
}

function followLists(
  lists: AsyncIterable<Iterable<string>>,
  onList: (hosts: Iterable<string>) => void,
  logger: Logger
): HostLists {
  const iterator = lists[Symbol.asyncIterator]()
  let stopped = false
  let onStop = () => {}
  const whenStopped = new Promise<void>((resolve) => {
    onStop = resolve
  })
  const next = async (): Promise<boolean> => {
    const { done, value } = await iterator.next()
    if (done === true || stopped) return false
    try {
      onList(value)
    } catch (error) {
      logger.error(`a list of hosts is ignored: ${errorText(error)}`)
    }
    return true
  }
  const failed = (error: unknown) => logger.error(`the source of hosts failed: ${errorText(error)}`)
  const followRest = async () => {
    let more = true
    while (more) more = await next()
  }
  const first = next().then((more) => {
    if (more) followRest().catch(failed)
  }, failed)
  const stop = () => {
    stopped = true
    onStop()
    // Awaited, for it may give no promise (that of an it-pushable does not), and throw.
    const end = async () => await iterator.return?.()
    end().catch((error: unknown) => logger.warn(`the source of hosts failed to end: ${errorText(error)}`))
  }
  return { ready: Promise.race([first, whenStopped]), stop }
}

/** The lock servers as the list of hosts has them now. One that was removed and came back has another connection. */

import { type Connection, type Manager, UnknownHostError } from '../../index.ts'

/** @throws {UnknownHostError} when it is not in the list; it was `notSent` then */
export type FindServer = () => Connection

/** What a server that is not in the list says. */
interface Unknown {
  readonly host: string
  readonly error: Error
}

/** Those that are in the list, and an error for each of the others: without them the others may be a quorum. */
export function findServers(grid: Manager, hosts: readonly string[]) {
  const found: Connection[] = []
  const unknown: Unknown[] = []
  for (const host of hosts) {
    try {
      found.push(grid.connection(host))
    } catch (error) {
      if (!UnknownHostError.is(error)) throw error
      unknown.push({ host, error })
    }
  }
  return { found, unknown }
}

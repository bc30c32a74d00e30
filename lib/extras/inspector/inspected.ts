/** What the page looks at: a manager, or what somebody sees who is none of the servers, such as a guest. Types only. */

import type { Callable, Connection } from '../../index.ts'

/** One server, as whoever looks reaches it. */
export interface InspectedPeer extends Callable {
  readonly host: string
  readonly state: Connection['state']
  readonly lastError: Error | undefined
  waitForConnect(options?: { readonly signal?: AbortSignal }): Promise<void>
}

/** A `Manager` is one. */
export interface Inspected {
  /** The server from which it is seen. */
  readonly local: string
  /** All others. */
  readonly hosts: readonly string[]
  /** Whether whoever looks is none of the servers: then `local` may be away, too. */
  readonly isGuest?: boolean
  /** That of `local` is closed once there is nothing to look at any more. */
  connection(host: string): InspectedPeer
}

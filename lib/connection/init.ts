/** What a connection is made with. Types only. */

import type { AnySignal } from '../base/abort.ts'
import type { Logger } from '../errors/logger.ts'
import type { ReconnectOptions } from '../errors/options.ts'
import type { GridFigures } from '../figures/grid-figures.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallerInterceptor } from '../hooks/interceptor.ts'
import type { Established } from '../peer/establish.ts'
import type { WhileWaiting } from './silence.ts'
import type { Shared } from './state.ts'

export interface ConnectionInit {
  readonly host: string
  /** Whether this side dials. */
  readonly dials: boolean
  /** Makes a conn to the host; with `renews`, beside the session that takes the calls, to renew it. */
  readonly dial: (host: string, signal: AnySignal, renews: boolean) => Promise<Established>
  /** What this side does where the host dials. Default: nothing. */
  readonly whileWaiting?: WhileWaiting
  /** What the connections of a manager have in common. Default: nothing. */
  readonly shared?: Shared
  readonly reconnect: Readonly<ReconnectOptions>
  readonly logger: Logger
  readonly calls?: CallsInit
}

/** Of the calls of this server to the host. */
export interface CallsInit {
  /** Where they are counted, and those of the host. Default: for itself. */
  readonly figures?: GridFigures
  /** What stands around them. Default: nothing can. */
  readonly hooks?: Hooks<CallerInterceptor>
  /** What `waitForReady` is where a call does not say: true where a session is sure to come at once. Default false. */
  readonly wait?: boolean
}

/** What stands around all calls of one end of a manager. */

import { type CallChannel, isObserved } from './channels.ts'

/** `Each` is an interceptor of this end. */
export interface Hooks<Each> {
  /** The name of this server. */
  readonly local: string
  /** Undefined for none. */
  readonly interceptors: readonly Each[] | undefined
}

/** Whether anything stands around calls now. Without it they cost no more than this question. */
export function standsAround<Each>(hooks: Hooks<Each> | undefined, channel: CallChannel): hooks is Hooks<Each> {
  return hooks !== undefined && (hooks.interceptors !== undefined || isObserved(channel))
}

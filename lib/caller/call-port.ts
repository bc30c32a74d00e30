/** The seam between calls and the connection that they are made on. Types only. */

import type { AnySignal } from '../base/abort.ts'
import type { Figures } from '../figures/figures.ts'
import type { HandlerFigures } from '../figures/grid-figures.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { CallerInterceptor } from '../hooks/interceptor.ts'
import type { Session } from '../session/session.ts'

/** What calls need from their connection. */
export interface CallPort {
  /** Canonical name of the remote host. */
  readonly host: string
  /** Aborts when the connection is closed: no call can be sent any more. */
  readonly closing: AnySignal
  /** Undefined where nothing can stand around calls. */
  readonly hooks: Hooks<CallerInterceptor> | undefined
  /** Where its calls are counted: by handler, and together. */
  readonly figures: { readonly all: HandlerFigures; readonly peer: Figures }
  /** `waitForReady` of calls that do not set it. */
  readonly callsWait: boolean
  /** The session that can take a call, if there is one. */
  usableSession(): Session | undefined
  /** The error of a call while there is no such session. */
  createNotConnectedError(): Error
  /** Resolves with such a session; rejects at the deadline or when the signal aborts. */
  waitForSession(deadlineMs: number, signal: AnySignal | undefined, timeoutMs: number): Promise<Session>
  /** Resolves when the handlers of the remote host have changed; rejects as above, with `createError` if only those are missing. */
  waitForHandlers(
    deadlineMs: number,
    signal: AnySignal | undefined,
    timeoutMs: number,
    createError: () => Error
  ): Promise<unknown>
}

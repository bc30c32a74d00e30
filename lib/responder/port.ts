/** What the answering end of a call needs from its session. Types only. */

import type { Serving } from '../handler/serving.ts'
import type { LocalHandler } from '../handler/table.ts'
import type { StreamLimits } from '../stream/port.ts'
import type { ContextPort } from './context.ts'

export interface ResponderPort extends ContextPort {
  /** Holds calls back; undefined where none ever is. */
  readonly serving: Serving | undefined
  readonly limits: StreamLimits
  /** The handler failed by what it did not mean to throw. */
  onMistake(handler: LocalHandler, error: unknown): void
  /** The code of the handler has ended, with or without an error. Called once per call. */
  onHandlerSettled(): void
}

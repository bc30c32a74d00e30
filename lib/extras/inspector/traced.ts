/** What the page is told of calls as they end, as JSON; see `model.ts`. Types only. */

import type { OfCall } from './model.ts'

/** How long a call took. */
export interface TraceTimes {
  readonly endedAt: number
  readonly durationMs: number
  /** Until the first response of a stream. */
  readonly firstMs?: number
}

/** One call that has ended. */
export interface TraceRow extends OfCall, TraceTimes {
  readonly from: string
  readonly to: string
  /** Of the trace that it is part of. */
  readonly traceId?: string
  readonly code: string
  readonly delivery?: string
  readonly bytes: number
  readonly isSlow: boolean
}

export interface TraceBatch {
  readonly rows: readonly TraceRow[]
  readonly servers: number
  /** Why a server that answers does not tell of all its calls: of those that do not, the first. */
  readonly refused?: string
  /** Looked at and not told since the start: too many, or lost on the way. */
  readonly notShown: number
}

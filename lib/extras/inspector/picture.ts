/** All that answers are made of. */

import type { Merged } from './handlers.ts'
import type { Known } from './happenings.ts'
import type { Seen } from './matrix.ts'
import type { Cell, HandlerRow, ServerFigures, Wait } from './model.ts'

export interface Picture {
  readonly seen: Seen
  readonly servers: readonly ServerFigures[]
  readonly cells: readonly Cell[]
  readonly handlers: readonly HandlerRow[]
  readonly merged: readonly Merged[]
  readonly waits: readonly Wait[]
  readonly events: readonly Known[]
}

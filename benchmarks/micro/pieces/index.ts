/** All pieces, in the order of the table: from bytes up to whole calls. */

import type { Piece } from '../../harness/pieces/piece.ts'
import { calls } from './calls.ts'
import { codecs } from './codecs.ts'
import { frames } from './frames.ts'
import { halves } from './halves.ts'
import { lockArgs } from './lock-args.ts'
import { observed } from './observed.ts'
import { outboxes } from './outboxes.ts'
import { rulers } from './rulers.ts'
import { tables } from './tables.ts'
import { traced } from './traced.ts'

export const pieces: readonly Piece[] = [
  frames,
  tables,
  outboxes,
  halves,
  codecs,
  lockArgs,
  calls,
  observed,
  traced,
  rulers
].flat()

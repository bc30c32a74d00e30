/** All contestants by name. */

import type { Contestant } from '../contestant.ts'
import { contestants as grid } from './it-grid.ts'
import { contestant as ws } from './ws.ts'

export const contestants: readonly Contestant[] = [ws, ...grid]

/** The shape of a metric: how it is read from `stats()`. Types only. */

import type { ManagerStats } from '../../index.ts'

export interface Sample {
  readonly suffix?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly samples: (stats: ManagerStats) => Sample[]
}

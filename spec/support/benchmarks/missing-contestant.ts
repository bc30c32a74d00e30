/** A contestant whose package is not installed. */

import type { Contestants } from '../../../benchmarks/harness/contest/contestant.ts'

const packageName: string = 'a-package-that-is-not-installed'
await import(packageName)

export const contestants: Contestants<never> = {}

/** A contestant whose package is not installed. */

import type { Contestant } from '../../../benchmarks/compare/contestant.ts'

const packageName: string = 'a-package-that-is-not-installed'
await import(packageName)

export const contestants: Record<string, Contestant> = {}

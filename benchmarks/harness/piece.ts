/** What the micro-benchmarks measure: one small piece of the library at a time. Types, and what keeps results alive. */

import type { Library } from './library.ts'

/** Does the operation `count` times. */
export type Run = (count: number) => void | Promise<void>

export interface Piece {
  readonly name: string
  /** What one operation is. */
  readonly operation: string
  /** Makes what the operations need; not measured. */
  prepare(library: Library): Run | Promise<Run>
}

const kept: { value: unknown } = { value: undefined }

/** V8 drops work whose result nobody can see; what is kept here can be seen. */
export function keep(value: unknown): void {
  kept.value = value
}

/** What the micro-benchmarks measure: one small piece of the library at a time. Types, and what keeps results alive. */

import type { Library } from '../library.ts'

/** Does the operation `count` times. */
export type Run = (count: number) => void | Promise<void>

export interface Piece {
  readonly name: string
  /** What one operation is. */
  readonly operation: string
  /** Makes what the operations need; not measured. */
  readonly prepare: (library: Library) => Run | Promise<Run>
}

export function piece(name: string, operation: string, prepare: Piece['prepare']): Piece {
  return { name, operation, prepare }
}

const kept: { value: unknown } = { value: undefined }

/** V8 drops work whose result nobody can see; what is kept here can be seen. */
export function keep(value: unknown): void {
  kept.value = value
}

/** The operation over and over, its result kept. */
export function repeated(operate: (index: number) => unknown): Run {
  return (count) => {
    for (let i = 0; i < count; i++) keep(operate(i))
  }
}

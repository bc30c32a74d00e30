/**
 * `it-grid/testing`: grids in memory for tests, with faults by choice and by seed, and what else tests of a grid need.
 *
 * Works under any runner: it knows none.
 */

export { type TestGrid, testGrid } from './grid.ts'
export type { TestGridOptions } from './options.ts'

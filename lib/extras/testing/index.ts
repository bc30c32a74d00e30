/**
 * `it-grid/testing`: grids in memory for tests, with faults by choice and by seed, and what else tests of a grid need.
 *
 * Works under any runner: it knows none.
 */

export { type FakePeer, type FakePeerOptions, fakePeer } from './fake-peer.ts'
export { type FaultProxy, faultProxy, type Place } from './fault-proxy.ts'
export { type Direction, directions, type Faults } from './flow.ts'
export { type TestGrid, testGrid } from './grid.ts'
export type { TestGridOptions } from './options.ts'
export { type RawPeer, type RawPeerOptions, rawPeer } from './raw-peer.ts'
export { type VirtualTime, virtualTime } from './virtual-time.ts'

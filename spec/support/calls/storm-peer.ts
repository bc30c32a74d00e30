/** A process that takes storms of calls, and makes them when `storm-pair.ts` tells it to. */

import { assertIdle } from '../grid/nothing-left.ts'
import { given, obey } from '../process/obey.ts'
import { type ServerInit, startServer } from '../process/server.ts'
import { restMs, serveStorms, storm } from './storms.ts'

export type StormPeerInit = ServerInit & { readonly driver: string; readonly limits: object }

const { driver, limits, ...init } = given<StormPeerInit>()
const { manager, words } = startServer(init, { limits })
serveStorms(manager)
const own = {
  ...words,
  storm: (name: string, count: number) => storm(name, manager.connection(driver), count),
  rest: () => assertIdle([manager], restMs)
}
obey(own)

export type StormPeerWords = typeof own

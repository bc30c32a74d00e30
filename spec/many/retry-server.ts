/** A server whose handler writes down each run, before it answers: what was written stays when it is killed. */

import { setTimeout as delay } from 'node:timers/promises'
import { appendLine } from '../support/process/log.ts'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'
import { work } from './retry-proof.ts'

export interface RetryServerInit extends ServerInit {
  /** The file of the runs, an id a line. */
  readonly log: string
}

export type RetryServerWords = typeof words

const { log, ...server } = given<RetryServerInit>()
const { manager, words } = startServer(server)
manager.handle(work, async (id) => {
  appendLine(log, String(id))
  if (id % 3 === 0) await delay(id % 7)
  return id
})
obey(words)

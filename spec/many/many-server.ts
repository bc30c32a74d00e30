/** A server of `many-processes.spec.ts`: it says its name, but for those that are to hold on. */

import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'
import { ask, askOnce } from './many-definitions.ts'

export type ManyServerWords = typeof words

const init = given<ServerInit>()
const { manager, words: ofServer } = startServer(init)
let running = 0
const words = { ...ofServer, running: () => running }
const answer = async (holding: string, { signal }: { readonly signal: AbortSignal }) => {
  if (holding !== manager.local) return manager.local
  running++
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  running--
  return manager.local
}
manager.handle(ask, answer)
manager.handle(askOnce, answer)
obey(words)

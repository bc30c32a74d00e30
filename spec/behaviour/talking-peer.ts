/** A process whose manager dials and then talks all the time: a live peer, whatever the process of the spec does. */

import { setTimeout as delay } from 'node:timers/promises'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

// Others may stall for long: it is not to judge them.
const { manager, words } = startServer(given<ServerInit>(), { keepAlive: { intervalMs: 60_000 } })
let isOver = false
obey({
  close() {
    isOver = true
    return words.close()
  }
})
while (!isOver) {
  await manager.connections[0]?.request('heard', undefined, { waitForReady: true }).catch((error) => {
    if (!isOver) throw error
  })
  await delay(10)
}

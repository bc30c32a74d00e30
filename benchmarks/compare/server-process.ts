/** The far end as a process of its own: listens as one contestant and tells its CPU time when asked. */

import { cpuUs, exitWithFailure, loadContestant, reply } from './child-side.ts'
import type { Command } from './ipc.ts'

const [module = '', id = ''] = process.argv.slice(2)

try {
  const server = await (await loadContestant(module, id)).listen()
  process.on('message', (command: Command) => {
    if (command === 'cpu') reply({ cpuUs: cpuUs() })
    else if (command === 'close') Promise.resolve(server.close()).finally(() => process.exit())
  })
  reply({ address: server.address })
} catch (error) {
  exitWithFailure(error)
}

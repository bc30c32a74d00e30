/** The near end as a process of its own: connects as one contestant and runs the workloads it is told to. */

import { cpuUs, exitWithFailure, loadContestant, reply, replyFailure } from './child-side.ts'
import { drive } from './drive.ts'
import type { Command } from './ipc.ts'
import type { Workload } from './workloads.ts'

const [module = '', id = '', address = ''] = process.argv.slice(2)

try {
  const contestant = await loadContestant(module, id)
  const client = await contestant.connect(address)
  const run = async (workload: Workload, ms: number): Promise<void> => {
    const startCpuUs = cpuUs()
    const startMs = performance.now()
    const { operations, latenciesMs } = await drive(contestant, client, workload, ms)
    const elapsedMs = performance.now() - startMs
    reply({ round: { operations, elapsedMs, cpuUs: cpuUs() - startCpuUs, latenciesMs } })
  }
  process.on('message', (command: Command) => {
    if (command === 'close') Promise.resolve(client.close()).finally(() => process.exit())
    else if (typeof command === 'object') run(command.workload, command.ms).catch(replyFailure)
  })
  reply({ isConnected: true, version: contestant.version })
} catch (error) {
  exitWithFailure(error)
}

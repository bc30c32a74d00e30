/**
 * One end of a contestant as a process of its own: listens, or connects and runs the workloads that it is told to.
 *
 * Arguments: the module of the contestant, its id, and the module that drives a client.
 */

import { cpuUs, serveCommands } from '../commands.ts'
import type { Contestant, Contestants, Drive, Workload } from './contestant.ts'

const [module = '', id = '', driver = ''] = process.argv.slice(2)
let client: unknown

async function load(): Promise<Contestant<unknown>> {
  const { contestants } = (await import(module)) as { readonly contestants: Contestants<unknown> }
  const contestant = contestants[id]
  if (contestant === undefined) throw new Error(`its file exports no ${id}`)
  return contestant
}

const commands = {
  listen: async () => await (await load()).listen(),
  /** Resolves with the version of the contestant. */
  async connect(address: string) {
    const contestant = await load()
    client = await contestant.connect(address)
    return contestant.version
  },
  /** What it took of this process, the client. */
  async run({ workload, ms }: { workload: Workload; ms: number }) {
    const { drive } = (await import(driver)) as { readonly drive: Drive<unknown, Workload> }
    const startCpuUs = cpuUs()
    const startMs = performance.now()
    const { operations, latenciesMs } = await drive(client, workload, ms)
    const elapsedMs = performance.now() - startMs
    return { operations, elapsedMs, cpuUs: cpuUs() - startCpuUs, latenciesMs }
  },
  cpuUs
}
export type ContestantCommands = typeof commands
serveCommands(commands)

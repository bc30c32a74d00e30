/** `npm run bench:socket.io`: the adapter of `it-grid/socket.io` beside those of Redis, in interleaved rounds, and when something dies. */

import { optionsOf, selectionOf } from '../harness/arguments.ts'
import { messageOf } from '../harness/commands.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { measures } from '../harness/library.ts'
import { machine } from '../harness/machine.ts'
import type { AdapterName } from './adapters.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { measureOutages } from './outages.ts'
import { measureRates } from './rates.ts'

const names: readonly AdapterName[] = ['it-grid', 'redis', 'redis-streams']
const { only, clients, kill, ...plan } = optionsOf({
  ...{ rounds: 5, ms: 1000, events: 5000, clients: 10, warm: 3000 },
  ...{ only: '', kill: 'yes' }
})

killAllAtEnd()
const clusters: Cluster[] = []
const missing: string[] = []
for (const adapter of selectionOf(only, names) as AdapterName[]) {
  try {
    clusters.push(await openCluster(adapter, clients))
  } catch (error) {
    missing.push(`${adapter} cannot run: ${messageOf(error)}`)
  }
}
output.print(
  `Three servers with ${clients} clients each; broadcasts to a room with a client at each: ${plan.rounds} rounds of ${plan.events} events\n`
)
output.print(await measureRates(clusters, plan, output))
await Promise.all(clusters.map((cluster) => cluster.close()))
if (kill === 'yes') output.print(`\n${await measureOutages(clusters.map(({ adapter }) => adapter))}`)
for (const text of missing) output.print(`\n${text}`)
output.print(`\n${machine()}; ${measures}`)
// One that is not installed fails nothing; ours must run.
process.exit(missing.some((text) => text.startsWith('it-grid ')) ? 1 : 0)

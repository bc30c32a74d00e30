/**
 * How long a small request takes beside bulk on the same connection, in either direction and both, compared with an idle one.
 *
 * Two processes over a WebSocket on loopback, requests of 64 B every 4 ms, messages of 1 MiB as fast as they go. All ways,
 * and a second build with `--against <folder>`, are measured in turn in each round, and compared within it. `--flags` are for
 * Node in both processes, such as `--flags=--initial-heap-size=64`.
 */

import { optionsOf } from '../harness/arguments.ts'
import { Child } from '../harness/commands.ts'
import { libraryAt } from '../harness/library.ts'
import { median, percentile } from '../harness/statistics.ts'
import { number, table } from '../harness/table.ts'
import type { Bulk, BulkCommands } from './bulk-end.ts'

const { rounds, ms, against, flags } = optionsOf({ rounds: 9, ms: 1000, against: '', flags: '' })
const everyMs = 4
const ways: readonly Bulk[] = ['none', 'in', 'out', 'both']

const script = new URL('./bulk-end.ts', import.meta.url)
const nodeFlags = flags.split(' ').filter((flag) => flag !== '')

async function startPair(name: string, library: URL) {
  const far = new Child<BulkCommands>(script, [library.href], nodeFlags)
  const near = new Child<BulkCommands>(script, [library.href], nodeFlags)
  await near.ask('connect', await far.ask('listen'))
  const figures = ways.map((bulk) => ({ bulk, p50s: [] as number[], p99s: [] as number[], rates: [] as number[] }))
  return { name, far, near, figures }
}

const pairs = [await startPair('', libraryAt(''))]
if (against !== '') pairs.push(await startPair(' (against)', libraryAt(against)))
for (let round = 0; round <= rounds; round++) {
  console.error(round === 0 ? 'warm-up' : `round ${round} of ${rounds}`)
  for (const { near, figures } of pairs) {
    for (const { bulk, p50s, p99s, rates } of figures) {
      const { latenciesMs, megabytes } = await near.ask('round', { bulk, ms, everyMs })
      if (round === 0) continue
      p50s.push(median(latenciesMs))
      p99s.push(percentile(latenciesMs, 0.99))
      rates.push(megabytes)
    }
  }
}

const rows = pairs.flatMap(({ name, figures }) => {
  const idle = figures[0]?.p99s ?? []
  return figures.map(({ bulk, p50s, p99s, rates }) => {
    const ratio = median(p99s.map((p99, round) => p99 / (idle[round] as number)))
    return [
      `${bulk}${name}`,
      ...[median(p50s), median(p99s), ratio].map((each) => number(each, 1)),
      number(median(rates))
    ]
  })
})
console.log('requests of 64 B every 4 ms beside a stream of 1 MiB messages, medians of the rounds')
console.log(table(['bulk', 'p50 ms', 'p99 ms', 'p99 to none', 'MB/s of bulk'], rows))
await Promise.all(pairs.flatMap(({ near, far }) => [near.stop(), far.stop()]))

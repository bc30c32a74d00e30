/** All scale benchmarks, each in a process of its own, one after the other. Each can also be run alone. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { optionsOf, selectionOf } from '../harness/arguments.ts'
import { machine } from '../harness/machine.ts'

const scripts = ['open-streams', 'pending-requests', 'footprint', 'mesh', 'flatness', 'beside-bulk']

const failed: string[] = []
for (const name of selectionOf(optionsOf({ only: '' }).only, scripts)) {
  console.log(`\n## ${name}\n`)
  const child = fork(new URL(`./${name}.ts`, import.meta.url), [], { execArgv: ['--import', 'tsx'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) failed.push(name)
}
console.log(`\n${machine()}`)
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`)
  process.exitCode = 1
}

/** Where and when a run took place, without anything that tells whose machine it was. */

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export type Machine = ReturnType<typeof describeMachine>

export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${process.arch}`,
    node: process.version,
    /** Day and time, UTC. */
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    /** Of this repository; "unknown" outside of git. */
    commit: commit()
  }
}

/** Call it at the end: the load is that of the last 1, 5 and 15 minutes. */
export function machine(): string {
  const { cpu, cores, memoryGiB, platform, node, date, commit } = describeMachine()
  const load = loadavg().map((minutes) => minutes.toFixed(1))
  return `${date}, commit ${commit}, Node ${node}, ${platform}, ${cores} cores (${cpu}), ${memoryGiB} GiB, load ${load.join(' ')}`
}

/** Says so when the library differs from that commit. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).trim()
  try {
    const isChanged = git('status', '--porcelain', '--', ':/lib', ':/package-lock.json') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' and changes' : ''}`
  } catch {
    // No git, or no repository: a copy of the files.
    return 'unknown'
  }
}

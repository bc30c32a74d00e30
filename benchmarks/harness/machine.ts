/** Where and when a run took place, without anything that tells whose machine it was. */

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  /** Day and time, UTC. */
  readonly date: string
  /** Of this repository; "unknown" outside of git. */
  readonly commit: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${process.arch}`,
    node: process.version,
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
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

/**
 * Calls a server through `retry` while that is killed, started again and cut off, and counts how often each call ran there.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { faultProxy } from '../../lib/extras/testing/index.ts'
import { GridError, retry, single } from '../../lib/index.ts'
import { dialerTo, namesInOrder, testManager } from '../support/grid/manager.ts'
import { freePort } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { wholeLines } from '../support/process/log.ts'
import { MortalServer } from '../support/process/mortal.ts'
import { randomFrom, wholeBelow } from '../support/random.ts'
import { until } from '../support/until.ts'
import type { RetryServerInit, RetryServerWords } from './retry-server.ts'

export const work = single<number, number>('work')

export interface RetryProofOptions {
  readonly kills: number
  readonly cuts: number
  readonly seed: number
  /** Calls that go on at the same time. Default 8. */
  readonly workers?: number
  readonly onFault?: (faults: number) => void
}

export async function proveRetries({ kills, cuts, seed, workers = 8, onFault }: RetryProofOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'it-grid-retries-'))
  const log = join(folder, 'runs')
  await writeFile(log, '')
  const random = randomFrom(seed)
  const hosts = namesInOrder()
  const [own, other] = hosts
  const port = await freePort()
  const proxy = await faultProxy({ port })
  const manager = testManager({ local: own, hosts, dialer: dialerTo(() => proxy.url) })
  const peer = manager.connection(other)
  const wrong: string[] = []
  const init: RetryServerInit = { local: other, hosts, port, log }
  const source = new URL('./retry-server.ts', import.meta.url)
  const server = new MortalServer<RetryServerWords, never>(
    other,
    () => new Child<RetryServerWords>(source, init),
    (text) => wrong.push(text)
  )
  const counts = { calls: 0, attempts: 0, answered: 0, failed: 0, kills: 0, cuts: 0 }
  let isGoing = true

  const callOnce = async (id: number) => {
    const attempt = (options: { readonly timeout: number; readonly signal: AbortSignal }) => {
      counts.attempts++
      return peer.request(work, id, options)
    }
    try {
      await retry(attempt, { timeout: 60_000, baseDelayMs: 2, maxDelayMs: 50 })
      counts.answered++
    } catch (error) {
      counts.failed++
      if (!GridError.is(error) || error.delivery !== 'maybeRan') wrong.push(`call ${id} failed with ${error}`)
    }
  }
  const worker = async () => {
    while (isGoing) await callOnce(++counts.calls)
  }
  const fault = async () => {
    const left = { kills: kills - counts.kills, cuts: cuts - counts.cuts }
    if (wholeBelow(random, left.kills + left.cuts) < left.kills) {
      counts.kills++
      await server.kill()
      await server.start()
    } else {
      counts.cuts++
      proxy.cut()
    }
  }

  try {
    await server.start()
    const working = Array.from({ length: workers }, worker)
    while (counts.kills + counts.cuts < kills + cuts) {
      const enough = counts.answered + 1 + wholeBelow(random, 20)
      await until(() => counts.answered >= enough, 'calls are answered', 60_000)
      await fault()
      onFault?.(counts.kills + counts.cuts)
    }
    isGoing = false
    await Promise.all(working)
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
    const runs = wholeLines(await readFile(log, 'utf8'))
    const seen = new Set<string>()
    const twice = runs.filter((id) => seen.size === seen.add(id).size)
    return { ...counts, again: counts.attempts - counts.calls, runs: runs.length, twice }
  } finally {
    isGoing = false
    await manager.close({ timeout: 0 })
    await proxy.close()
    await server.kill()
    await rm(folder, { recursive: true })
  }
}

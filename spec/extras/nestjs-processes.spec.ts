/** Controllers of NestJS in three processes that ask each other over a grid, while one of them is closed or killed. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Manager } from 'it-grid'
import { GridClient } from 'it-grid/nestjs'
import { firstValueFrom, take, toArray } from 'rxjs'
import { testManager } from '../support/grid/manager.ts'
import { rejection, TestServer } from '../support/grid/servers.ts'
import { freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { MortalServer } from '../support/process/mortal.ts'
import { until } from '../support/until.ts'
import { startApp } from './nestjs-app.ts'
import type { NestServerWords } from './nestjs-server.ts'

const own = new TestServer()
let grid: Manager
let app: Awaited<ReturnType<typeof startApp>>
let hosts: string[] = []
let servers: MortalServer<NestServerWords, never>[] = []

before(async () => {
  await own.listen()
  const ports = await freePorts(2)
  hosts = [own.url, ...ports.map((port) => `http://127.0.0.1:${port}`)]
  grid = testManager({ local: own.url, hosts })
  grid.attach(own.http)
  app = await startApp(grid)
  servers = ports.map((port, at) => {
    const init = { local: hosts[at + 1] as string, hosts, port }
    const spawn = () => new Child<NestServerWords>(new URL('./nestjs-server.ts', import.meta.url), init)
    return new MortalServer<NestServerWords, never>(init.local, spawn, (text) => assert.fail(text))
  })
  await Promise.all(servers.map((server) => server.start()))
  await allServe()
})

after(async () => {
  await app.close()
  await grid.close({ timeout: 0 })
  await Promise.all(servers.map((server) => server.kill()))
  await own.end()
})

/** Both have told of their patterns. */
const allServe = () =>
  until(() => grid.connections.every(({ handlers }) => handlers.length > 10), 'all patterns are known', 60_000)
const at = (index: 0 | 1) => servers[index] as MortalServer<NestServerWords, never>
const client = () => new GridClient(grid)

/** Asks for sums all the time. Returns what ends that, and tells how many were answered, and what failed. */
function keepAsking() {
  const counts = { answered: 0, failed: [] as unknown[] }
  let isOver = false
  const asking = Array.from({ length: 8 }, async () => {
    const sums = client()
    while (!isOver) {
      await firstValueFrom(sums.send({ cmd: 'sum', version: 1 }, [1, 2])).then(
        (sum) => {
          assert.equal(sum, 3)
          counts.answered++
        },
        (error) => counts.failed.push(error)
      )
    }
  })
  const more = async (count = 100) => {
    const from = counts.answered
    await until(() => counts.answered >= from + count, `${count} more are answered`)
  }
  const end = async () => {
    isOver = true
    await Promise.all(asking)
  }
  return { counts, more, end }
}

describe('controllers in three processes', () => {
  it('ask each other, each in every direction', async () => {
    const sum = [{ cmd: 'sum', version: 1 }, [1, 2, 3]] as const
    const asked = servers.flatMap((server) =>
      hosts.filter((host) => host !== server.name).map((host) => server.child.ask('ask', host, ...sum))
    )
    assert.deepEqual(await Promise.all(asked), [6, 6, 6, 6])
  })

  it('share the messages of one client', async () => {
    const counts = () => grid.stats().connections.map(({ totals }) => totals.messagesOut)
    const before = counts()
    const asking = keepAsking()
    await asking.more()
    await asking.end()
    assert.deepEqual(asking.counts.failed, [])
    assert.ok(counts().every((count, index) => count > (before[index] ?? 0)))
  })

  it('are unsubscribed in the process of the observable', async () => {
    const ticks = new GridClient(grid, { hosts: [at(0).name] }).send<string>('ticks', 'far')
    assert.deepEqual(await firstValueFrom(ticks.pipe(take(2), toArray())), ['far begins', 'far 0'])
    await until(
      async () => (await at(0).child.ask('happened')).includes('far unsubscribed'),
      'it is unsubscribed there'
    )
  })

  it('lose no message when one of them closes and starts again', async () => {
    const asking = keepAsking()
    await asking.more()
    await at(0).close()
    await asking.more()
    await at(0).start()
    await allServe()
    await asking.more()
    await asking.end()
    assert.deepEqual(asking.counts.failed, [])
  })

  it('answer for one that is killed: what ran there fails at once, and says that it may have run', async () => {
    const hanging = rejection(firstValueFrom(new GridClient(grid, { hosts: [at(1).name] }).send('silence', 'x')))
    await until(async () => (await at(1).child.ask('happened')).includes('x is silent'), 'it runs')
    const asking = keepAsking()
    await asking.more()
    await at(1).kill()
    const { code, delivery } = await hanging
    assert.deepEqual([code, delivery], ['ERR_DISCONNECTED', 'maybeRan'])
    await asking.more()
    await asking.end()
    assert.ok(asking.counts.failed.length <= 8)
    for (const error of asking.counts.failed) assert.equal((error as { delivery: string }).delivery, 'maybeRan')
  })
})

/** Calls at many peers, each a process of its own, of which one is stopped, killed and started again. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Answer, type Connection, GridError, type Manager } from '../../lib/index.ts'
import { testManager } from '../support/grid/manager.ts'
import { rejection, TestServer } from '../support/grid/servers.ts'
import { freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { ask, askOnce } from './many-definitions.ts'
import type { ManyServerWords } from './many-server.ts'

const own = new TestServer()
let grid: Manager
let others: string[] = []
let hosts: string[] = []
const children = new Map<string, Child<ManyServerWords>>()

async function start(local: string): Promise<void> {
  const init = { local, hosts, port: Number(new URL(local).port) }
  const child = new Child<ManyServerWords>(new URL('./many-server.ts', import.meta.url), init)
  children.set(local, child)
  await child.ask('listening')
}

before(async () => {
  await own.listen()
  others = (await freePorts(3)).map((port) => `http://127.0.0.1:${port}`)
  hosts = [own.url, ...others]
  grid = testManager({ local: own.url, hosts })
  grid.attach(own.http)
  await Promise.all(others.map(start))
  await grid.waitForPeers()
})

after(async () => {
  await grid.close({ timeout: 0 })
  await Promise.all([...children.values()].map((child) => child.kill()))
  await own.end()
})

async function list(answers: AsyncIterable<Answer<string>>): Promise<Answer<string>[]> {
  const got: Answer<string>[] = []
  for await (const answer of answers) got.push(answer)
  return got
}

/** The first server, before all others. */
const pick = (peers: readonly Connection[]) => peers.find(({ host }) => host === others[0]) ?? peers[0]
const first = () => children.get(others[0] as string) as Child<ManyServerWords>

describe('with a server that is stopped (SIGSTOP)', () => {
  before(() => first().signal('SIGSTOP'))
  after(async () => {
    first().signal('SIGCONT')
    await grid.waitForPeers()
  })

  it('all gives the answers of the others at once, and its deadline as an error', async () => {
    const answers = await list(grid.all(ask, '', { timeout: 500 }))
    assert.deepEqual(
      answers
        .slice(0, 2)
        .map(({ value }) => value)
        .sort(),
      others.slice(1).sort()
    )
    const { host, error } = answers[2] as Answer<string>
    assert.equal(host, others[0])
    assert.deepEqual(GridError.is(error) && [error.code, error.delivery], ['ERR_DEADLINE', 'maybeRan'])
  })

  it('quorum needs the others only, and undo hears of it', async () => {
    const undone: string[] = []
    const { accepted } = await grid.quorum(ask, '', { need: 2, undo: ({ host }) => undone.push(host) })
    assert.deepEqual(accepted.map(({ host }) => host).sort(), others.slice(1).sort())
    await until(() => undone.length === 1, 'one is undone')
    assert.deepEqual(undone, others.slice(0, 1))
  })

  it('any is answered by another one after the hedge', async () => {
    assert.ok(others.slice(1).includes(await grid.any(ask, '', { pick, hedgeAfterMs: 20 })))
  })
})

describe('with a server that is killed amid calls', () => {
  it('each call there fails at once as maybeRan, and only what may run twice is made elsewhere', async () => {
    const [holding = ''] = others
    const all = list(grid.all(ask, holding))
    const quorum = rejection(grid.quorum(ask, holding, { need: 3 }))
    const any = grid.any(ask, holding, { pick })
    const once = rejection(grid.any(askOnce, holding, { pick }))
    await until(async () => (await first().ask('running')) === 4, 'four calls run there')
    await first().kill()
    const answers = await all
    assert.equal(answers.filter(({ error }) => error === undefined).length, 2)
    const lost = answers.find(({ host }) => host === holding)?.error
    assert.deepEqual(GridError.is(lost) && [lost.code, lost.delivery], ['ERR_DISCONNECTED', 'maybeRan'])
    const none = await quorum
    assert.deepEqual([none.code, none.delivery], ['ERR_QUORUM', 'maybeRan'])
    assert.ok(others.slice(1).includes(await any))
    const error = await once
    assert.deepEqual([error.code, error.delivery], ['ERR_DISCONNECTED', 'maybeRan'])
  })

  it('what was not sent goes elsewhere while it is away, and all waits for its restart', async () => {
    assert.ok(others.slice(1).includes(await grid.any(askOnce, '', { pick })))
    const waiting = list(grid.all(ask, '', { waitForReady: true }))
    await start(others[0] as string)
    assert.deepEqual((await waiting).map(({ value }) => value).sort(), [...others].sort())
    assert.equal((await grid.quorum(ask, '', { need: 3 })).accepted.length, 3)
  })
})

/**
 * Two hosts and a network between them that fails: by its cable, or by losing what is sent one way or both. Each host is
 * a network namespace with a process in it, so all below the sockets is the system's own.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ConnectionState } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Child } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import type { NamespaceServerWords } from './namespace-server.ts'
import { type NamespaceHost, Namespaces } from './namespaces.ts'

const intervalMs = paced(400)
const slackMs = 2000
const recoveryMs = 5000

const made = Namespaces.make()
const skip = typeof made === 'string' ? made : false

type Server = Child<NamespaceServerWords, ConnectionState>

/** A server on one of the hosts. */
function startOn(own: NamespaceHost, other: NamespaceHost): Server {
  const nameOf = ({ address }: NamespaceHost) => `http://${address}:9000`
  const init = { local: nameOf(own), remote: nameOf(other), intervalMs }
  const source = new URL('./namespace-server.ts', import.meta.url)
  return new Child(source, init, { command: (made as Namespaces).commandOn(own) })
}

describe('two hosts', { skip }, () => {
  const namespaces = made as Namespaces
  const [one, other] = namespaces.hosts ?? []
  let servers: readonly Server[] = []
  const isConnected = ({ reports }: Server) => reports.at(-1) === 'connected'
  const bothConnected = (what: string, limitMs: number) => until(() => servers.every(isConnected), what, limitMs)

  before(async () => {
    servers = [startOn(one, other), startOn(other, one)]
    await Promise.all(servers.map((server) => server.ask('listening')))
    await bothConnected('connected', 20_000)
  })

  after(async () => {
    await Promise.all(servers.map((server) => server.kill()))
    namespaces.remove()
  })

  const cuts: Readonly<Record<string, () => void>> = {
    'whose cable is pulled': () => namespaces.pull(one),
    'whose network loses everything': () => {
      namespaces.lose(one)
      namespaces.lose(other)
    },
    'whose network loses what the first sends': () => namespaces.lose(one),
    'whose network loses what the second sends': () => namespaces.lose(other)
  }
  for (const [which, cut] of Object.entries(cuts)) {
    it(`${which} notice it in two intervals, settle every call, lose none silently, and connect again`, async (test) => {
      for (const server of servers) await server.ask('record')
      const recorded = async () => Object.keys((await (servers[0] as Server).ask('report')).sent).length
      const before = await recorded()
      await until(async () => (await recorded()) > before + 5, 'the calls run')
      const cutAtMs = Date.now()
      cut()
      await until(() => !servers.some(isConnected), 'both notice', 2 * intervalMs + slackMs)
      const healedAtMs = Date.now()
      namespaces.heal()
      await bothConnected('connected again', recoveryMs)
      for (const server of servers) await server.ask('stopRecording')
      const look = () => Promise.all(servers.map((server) => server.ask('report')))
      await until(async () => (await look()).every(({ pending }) => pending === 0), 'every call has settled')
      const reports = await look()

      const figures = reports.map(({ states, ended }, number) => {
        const lostAtMs = states.find(({ state }) => state !== 'connected')?.atMs ?? Number.NaN
        const backAtMs = states.findLast(({ state }) => state === 'connected')?.atMs ?? Number.NaN
        assert.ok(lostAtMs - cutAtMs < paced(2 * intervalMs + slackMs), `noticed after ${lostAtMs - cutAtMs} ms`)
        assert.equal(ended.length, 4)
        for (const { what, outcome, atMs } of ended) {
          assert.match(outcome, /^maybeRan (keepAlive|lost|replaced)$/, what)
          assert.ok(atMs - lostAtMs < paced(slackMs), `a ${what} settled ${atMs - lostAtMs} ms after the loss`)
        }
        return `${namespaces.hosts[number]?.address}: noticed after ${lostAtMs - cutAtMs} ms, connected ${backAtMs - healedAtMs} ms after it healed`
      })
      for (const [number, { sent }] of reports.entries()) {
        const received = reports[1 - number]?.received ?? []
        const counts = new Map<number, number>()
        for (const entry of received) counts.set(entry, (counts.get(entry) ?? 0) + 1)
        for (const [entry, outcome] of Object.entries(sent)) {
          const came = counts.get(Number(entry)) ?? 0
          const right = { ran: came === 1, maybeRan: came <= 1, notSent: came === 0 }[outcome]
          assert.ok(right, `entry ${entry} is "${outcome}" and came ${came} times`)
        }
        assert.deepEqual(
          received,
          [...received].sort((a, b) => a - b)
        )
      }
      test.diagnostic(`${which}: ${figures.join('; ')} (keep-alive ${intervalMs} ms)`)
    })
  }

  it('exit by themselves when they are closed', async () => {
    for (const server of servers) await server.ask('close')
    await Promise.all(servers.map((server) => server.exited()))
  })
})

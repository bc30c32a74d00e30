/**
 * Two hosts and a network between them that fails: by its cable, or by losing what is sent one way or both. Each host is
 * a network namespace with a process in it, so all below the sockets is the system's own.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { paced } from '../support/clock/pace.ts'
import { type NamespaceHost, Namespaces } from '../support/network/namespaces.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import type { NamespaceServerReport, NamespaceServerWord } from '../support/process/namespace-server.ts'
import { until } from '../support/until.ts'

const intervalMs = paced(400)
const slackMs = 2000
const recoveryMs = 5000

const script = fileURLToPath(new URL('../support/process/namespace-server.ts', import.meta.url))

const made = Namespaces.make()
const skip = typeof made === 'string' ? made : false

/** A server on one of the hosts. */
class Server {
  readonly #child: ChildProcess
  readonly #states: string[] = []
  #report: NamespaceServerReport | undefined
  #listening = false

  constructor(own: NamespaceHost, other: NamespaceHost) {
    const nameOf = ({ address }: NamespaceHost) => `http://${address}:9000`
    const init = JSON.stringify({ local: nameOf(own), remote: nameOf(other), intervalMs })
    const [command = '', ...args] = (made as Namespaces).commandOn(own, [process.execPath, ...sourceArgs, script, init])
    this.#child = spawn(command, args, { env: childEnvironment(), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (message) => {
      if (message === 'listening') this.#listening = true
      else if (typeof message === 'string') this.#states.push(message)
      else this.#report = message as NamespaceServerReport
    })
  }

  get connected(): boolean {
    return this.#states.at(-1) === 'connected'
  }

  listening(): Promise<void> {
    return until(() => this.#listening, 'it listens', 20_000)
  }

  tell(word: NamespaceServerWord): void {
    this.#child.send(word)
  }

  async report(): Promise<NamespaceServerReport> {
    this.#report = undefined
    this.tell('report')
    await until(() => this.#report !== undefined, 'it reports')
    return this.#report as unknown as NamespaceServerReport
  }

  /** By itself. */
  async exited(): Promise<void> {
    await until(() => this.#child.exitCode !== null, 'it exits', 10_000)
    assert.equal(this.#child.exitCode, 0)
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

describe('two hosts', { skip }, () => {
  const namespaces = made as Namespaces
  const [one, other] = namespaces.hosts ?? []
  let servers: readonly Server[] = []
  const bothConnected = (what: string, limitMs: number) =>
    until(() => servers.every((server) => server.connected), what, limitMs)

  before(async () => {
    servers = [new Server(one, other), new Server(other, one)]
    await Promise.all(servers.map((server) => server.listening()))
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
      for (const server of servers) {
        await server.report()
        server.tell('hold')
        server.tell('record')
      }
      const recorded = async () => Object.keys((await (servers[0] as Server).report()).sent).length
      const before = await recorded()
      await until(async () => (await recorded()) > before + 5, 'the calls run')
      const cutAtMs = Date.now()
      cut()
      await until(() => servers.every((server) => !server.connected), 'both notice', 2 * intervalMs + slackMs)
      const healedAtMs = Date.now()
      namespaces.heal()
      await bothConnected('connected again', recoveryMs)
      for (const server of servers) server.tell('record')
      const seen = servers.map(() => [] as NamespaceServerReport[])
      const look = async () => {
        const reports = await Promise.all(servers.map((server) => server.report()))
        for (const [number, report] of reports.entries()) seen[number]?.push(report)
        return reports
      }
      await until(async () => (await look()).every(({ pending }) => pending === 0), 'every call has settled')
      const reports = (await look()).map((report, number) => ({
        ...report,
        states: seen[number]?.flatMap(({ states }) => states) ?? [],
        ended: seen[number]?.flatMap(({ ended }) => ended) ?? []
      }))

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
    for (const server of servers) server.tell('close')
    await Promise.all(servers.map((server) => server.exited()))
  })
})

/**
 * A simulated network of lock servers, in virtual time: the servers, and what their clients have in place of connections.
 *
 * Requests and answers take their time, some of them longer than a grant lasts, overtake each other, or are lost. Servers
 * are restarted and forget everything. Links pass nothing for a while, and their ends notice it or do not.
 */

import { listenToAbort } from '../../lib/base/abort.ts'
import { parseTimeout } from '../../lib/call/options.ts'
import { decodeRemoteError, encodeRemoteError } from '../../lib/codec/remote-error.ts'
import type { Connection } from '../../lib/connection/connection.ts'
import type { LockArgs } from '../../lib/extras/locks/definitions.ts'
import { serveTable } from '../../lib/extras/locks/server.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import type { VirtualTime } from '../../lib/extras/testing/index.ts'
import {
  type AnyContract,
  type CallOptions,
  DeadlineError,
  DisconnectedError,
  type Manager,
  type QuorumOptions,
  type SingleDefinition,
  silentLogger,
  UnknownHostError
} from '../../lib/index.ts'
import { askQuorum } from '../../lib/many/ask-quorum.ts'
import type { PeersPort } from '../../lib/network/selection.ts'
import { oneOf } from '../support/random.ts'

/** How long a grant lasts, by the clock of its server. */
export const ttlMs = 1000
/** Clocks of servers go faster or slower by so much. */
export const maxDrift = 0.03
export const maxLateMs = 2 * ttlMs
const redialMs = 50
const maxDownMs = 0.3 * ttlMs
/** The servers' times of day are off by so much. */
const maxSkewMs = 0.4 * ttlMs

/** What is wrong with the servers on purpose. */
export interface ServerMutant {
  /** They grant as soon as they are restarted. */
  readonly openAtOnce?: boolean
  /** They tell a time that is so many times as long as the one that they keep. */
  readonly lyingTtl?: number
  /** They count tokens from 0 when they are restarted, whatever those who ask for a lock tell them. */
  readonly forgottenTokens?: boolean
  /** They take no notice of the token that a client tells them. */
  readonly deafToTokens?: boolean
  /** The first server tells this token and this place in the line. */
  readonly liesOf?: number
  /** First come, first served: not wrong, but otherwise. */
  readonly fair?: boolean
}

export type Network = ReturnType<typeof newNetwork>

/** What the ways through it have in common. */
export function newNetwork(clock: VirtualTime, random: () => number, mutant: ServerMutant) {
  const meanDelayMs = oneOf(random, [3, 10, 40])
  const lateShare = oneOf(random, [0, 0.1, 0.4])
  const lossShare = oneOf(random, [0, 0.02, 0.1])
  const happens = (share: number) => !network.isHealed && random() < share
  const network = {
    ...{ clock, random, mutant, figures: { restarts: 0, late: 0, lost: 0 } },
    /** From now on nothing more is late or lost. */
    isHealed: false,

    /** Time that the next message is on its way; undefined when it gets lost. */
    delayMs(): number | undefined {
      if (happens(lossShare)) return void network.figures.lost++
      if (!happens(lateShare)) return -Math.log(1 - random()) * meanDelayMs
      network.figures.late++
      return random() * maxLateMs
    }
  }
  return network
}

type Handler = (args: LockArgs, context: unknown) => unknown

export type Server = ReturnType<typeof newServer>

/** A lock server: a table behind the handlers of `serveTable`, and a clock of its own. */
export function newServer({ clock, random, figures, mutant }: Network, host: string) {
  const rate = 1 + (2 * random() - 1) * maxDrift
  const skewMs = (2 * random() - 1) * maxSkewMs
  const timeOfDay = () => (mutant.forgottenTokens === true ? 0 : clock.nowMs + skewMs - server.setBackMs)
  const fair = mutant.fair === true
  let handlers = new Map<string, Handler>()
  let life = 1
  const start = (isOpen: boolean): LockTable => {
    let aheadMs = 0
    const table = new LockTable({ ttlMs, fair, timeOfDay, now: () => clock.nowMs * rate + aheadMs })
    if (isOpen) aheadMs = ttlMs
    handlers = new Map()
    const handle = ({ id }: { id: string }, handler: Handler) => handlers.set(id, handler)
    const implement = ({ definitions }: AnyContract, all: Readonly<Record<string, Handler>>) => {
      for (const [name, definition] of Object.entries(definitions))
        handle(definition as { id: string }, all[name] as Handler)
    }
    serveTable({ handle, implement } as unknown as Manager, table)
    return table
  }
  const server = {
    ...{ host, instance: `${host} in its life ${life}`, isUp: true, setBackMs: 0, table: start(true) },

    /** @throws {LockError} */
    answer(id: string, given: LockArgs, client: string): unknown {
      const isDeaf = mutant.deafToTokens === true || (mutant.forgottenTokens === true && /^lock\.r?lock$/.test(id))
      const args = isDeaf ? { ...given, token: undefined } : given
      const reply = handlers.get(id)?.(args, { remote: { host: client } })
      if (typeof reply !== 'object' || reply === null) return reply
      const { liesOf } = mutant
      if (liesOf !== undefined && host === 'http://server-0:1') return { ...reply, token: liesOf, ticket: liesOf }
      if (mutant.lyingTtl === undefined) return reply
      return { ...reply, ttlMs: ttlMs * mutant.lyingTtl }
    },

    restart(links: readonly { disconnect(): void }[]): void {
      if (!server.isUp) return
      figures.restarts++
      server.isUp = false
      for (const link of links) clock.after(random() * 20, () => link.disconnect())
      clock.after(random() * maxDownMs, () => {
        server.instance = `${host} in its life ${++life}`
        server.table = start(mutant.openAtOnce === true)
        server.isUp = true
      })
    }
  }
  return server
}

interface Call {
  readonly id: string
  readonly args: LockArgs
  isSent: boolean
  end(error: unknown, reply?: unknown): void
}

export type Link = ReturnType<typeof newLink>

/** What a client has of one server: as much of a `Connection` as locks use. */
export function newLink({ clock, random, delayMs }: Network, server: Server, client: string) {
  const calls = new Set<Call>()
  let isConnected = true

  /** One way over the network. What a black hole has swallowed is lost, or sent again when it is over. */
  const pass = (arrive: () => void): void => {
    const ms = delayMs()
    if (ms === undefined) return
    clock.after(ms, () => {
      const silentMs = link.silentUntilMs - clock.nowMs
      if (silentMs <= 0) arrive()
      else if (random() < 0.5) clock.after(silentMs, arrive)
    })
  }

  const send = (call: Call): void => {
    call.isSent = true
    const { instance } = link
    pass(() => {
      // What an older conn carried may well arrive after this end has given it up, but not at another process.
      if (!server.isUp || server.instance !== instance) return
      let [error, reply]: unknown[] = []
      try {
        reply = server.answer(call.id, call.args, client)
      } catch (thrown) {
        error = decodeRemoteError(encodeRemoteError(thrown))
      }
      pass(() => call.end(error, reply))
    })
  }

  const redialLater = (): void => {
    clock.after(random() * redialMs, () => {
      if (!server.isUp || clock.nowMs < link.silentUntilMs) return redialLater()
      isConnected = true
      link.instance = server.instance
      for (const call of [...calls]) send(call)
    })
  }

  const link = {
    ...{ host: server.host, instance: server.instance, silentUntilMs: 0 },
    subroute: () => link,
    createNotConnectedError: () => new DisconnectedError('notConnected', 'there is no conn', { delivery: 'notSent' }),

    get usable(): object | undefined {
      return isConnected ? link : undefined
    },

    request({ id }: { id: string }, given: LockArgs, { signal, timeout, waitForReady }: CallOptions): Promise<unknown> {
      return new Promise((resolve, reject) => {
        const isReady = isConnected || waitForReady === true
        if (!isReady) throw link.createNotConnectedError()
        signal?.throwIfAborted()
        const call: Call = {
          ...{ id, args: { ...given, resources: [...given.resources] }, isSent: false },
          end(error, reply) {
            if (!calls.delete(call)) return
            clearTimeout(timer)
            unlisten?.()
            if (error === undefined) resolve(reply)
            else reject(error)
          }
        }
        const onTimeout = () =>
          call.end(new DeadlineError('no answer in time', { delivery: call.isSent ? 'maybeRan' : 'notSent' }))
        const timer = setTimeout(onTimeout, Math.ceil(parseTimeout(timeout, 60_000)))
        const unlisten = signal && listenToAbort(signal, (reason) => call.end(reason))
        calls.add(call)
        if (isConnected) send(call)
      })
    },

    /** Passes nothing for a while; this end may notice it before it is over. */
    blackHole(forMs: number): void {
      link.silentUntilMs = Math.max(link.silentUntilMs, clock.nowMs + forMs)
      clock.after(random() * ttlMs, () => {
        if (clock.nowMs < link.silentUntilMs) link.disconnect()
      })
    },

    disconnect(): void {
      if (!isConnected) return
      isConnected = false
      const error = new DisconnectedError('lost', 'the conn was lost', { delivery: 'maybeRan' })
      for (const call of [...calls]) if (call.isSent) call.end(error)
      redialLater()
    }
  }
  return link
}

/** What a client has of the grid: as much of a `Manager` as locks use, with the real `quorum`. */
export function newGrid(local: string, links: readonly Link[]): Manager {
  const connections = links as unknown as readonly Connection[]
  const find = (host: string) => connections.find((each) => each.host === host)
  const connection = (host: string) => {
    const found = find(host)
    if (found === undefined) throw new UnknownHostError(`${host} is not among the hosts`)
    return found
  }
  const peers = { connections, find }
  const port = { local, peers, logger: silentLogger, missingList: () => undefined, isClosing: false }
  const quorum = (definition: SingleDefinition<unknown, unknown>, payload: unknown, options: QuorumOptions<unknown>) =>
    askQuorum(port as unknown as PeersPort, definition, payload, options)
  return { local, connection, quorum } as unknown as Manager
}

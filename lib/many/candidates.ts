/**
 * The peers that can take a call now: connected, not draining, with the handler, and not asked before by the same call.
 *
 * Among them the user picks, or chance does: of two random ones the one with fewer open calls. That spreads calls nearly as
 * well as looking at all of them, and keeps callers that see the same figures from running to the same peer.
 */

import { listenToAbort } from '../base/abort.ts'
import { giveStack, shield } from '../base/promise.ts'
import type { Connection } from '../connection/connection.ts'
import { DeadlineError, DisconnectedError, InvalidOptionError, UnknownHandlerError } from '../errors/errors.ts'
import { type Answer, describeAnswers } from '../errors/quorum-error.ts'
import { nameHandler } from '../handler/info.ts'
import type { PeerSelection } from '../network/options.ts'
import { isKnown, type PeersPort, parseNames, selectPeers } from '../network/selection.ts'
import { setDeadline } from '../time/after-reading.ts'
import type { HandlerEntry } from '../wire/frame.ts'

/** Takes one of them; undefined for none. */
export type Pick = (peers: readonly Connection[]) => Connection | undefined

/** The handler that is called. */
export type Wanted = Readonly<Omit<HandlerEntry, 'inCapacity' | 'outCapacity'>>

export class Candidates {
  readonly #port: PeersPort
  readonly #wanted: Wanted
  readonly #pick: Pick
  /** Those that were named. */
  readonly #names: readonly string[] | undefined
  readonly #self: boolean
  readonly #asked = new Set<Connection>()

  /** @throws as `selectPeers` */
  constructor(port: PeersPort, wanted: Wanted, { hosts, self = false }: PeerSelection, pick: Pick | undefined) {
    this.#port = port
    this.#wanted = wanted
    this.#pick = pick ?? pickOfTwo
    this.#self = self
    if (hosts !== undefined) this.#names = parseNames(hosts, 'any()')
    selectPeers(port, { ...(this.#names === undefined ? {} : { hosts: this.#names }), self }, 'any()')
  }

  /** None of them can be asked any more: they have left the grid, or the manager closes. */
  get areGone(): boolean {
    return this.#port.isClosing || (!this.#self && this.#known?.length === 0)
  }

  /** The next one to ask; undefined where there is none. Throws what `pick` throws, and where they are gone. */
  take(): Connection | undefined {
    const able = this.#list().filter((each) => !this.#asked.has(each) && this.#isAble(each))
    if (able.length === 0) return undefined
    const picked = this.#pick(able)
    if (picked === undefined) return undefined
    if (!able.includes(picked)) {
      shield(picked)
      const text = 'pick of any() must return one of the peers that it is given'
      throw new InvalidOptionError(text, { delivery: 'notSent' })
    }
    this.#asked.add(picked)
    return picked
  }

  /** Resolves with the next one as soon as there is one; rejects at the deadline, or with the reason of the signal. */
  async wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<Connection> {
    let end = () => {}
    /** Made in a callback, where its stack says nothing. */
    let own: Error | undefined
    try {
      return await new Promise((resolve, reject) => {
        const fail = (error: Error) => {
          own = error
          reject(error)
        }
        const look = () => {
          try {
            const found = this.take()
            if (found !== undefined) resolve(found)
          } catch (error) {
            reject(error)
          }
        }
        const unlisten = signal === undefined ? undefined : listenToAbort(signal, reject)
        const leave = this.#port.peers.onChange(look, (closed) => fail(closed.ofCall('notSent')))
        const timer =
          timeoutMs === Number.POSITIVE_INFINITY
            ? undefined
            : setDeadline(() => fail(this.#createLateError(timeoutMs)), timeoutMs)
        end = () => {
          unlisten?.()
          leave()
          clearTimeout(timer)
        }
        look()
      })
    } catch (error) {
      if (own !== undefined && error === own) giveStack(own)
      throw error
    } finally {
      end()
    }
  }

  /** Why there is none. */
  createError(): Error {
    const all = this.#list()
    const connected = all.filter((each) => this.#isHere(each))
    const handler = nameHandler(this.#wanted)
    if (connected.some((each) => this.#isAble(each))) {
      return new DisconnectedError('notConnected', 'any() has picked none of the peers', { delivery: 'notSent' })
    }
    if (connected.length > 0) {
      const text = `none of the ${connected.length} peers that are connected has a ${handler} that can be called so`
      return new UnknownHandlerError(text)
    }
    const why = all.map((each): Answer<never> => ({ host: each.host, error: each.createNotConnectedError() }))
    const text = all.length === 0 ? 'this grid has no other server' : describeAnswers(1, why)
    return new DisconnectedError('notConnected', text, { delivery: 'notSent' })
  }

  #createLateError(timeoutMs: number): Error {
    const error = this.createError()
    if (!DisconnectedError.is(error)) return error
    const text = `no peer was there within ${timeoutMs} ms: ${error.message}`
    return new DeadlineError(text, { delivery: 'notSent', cause: error })
  }

  /** Of those that were named, the ones that are in the grid now: hosts may come and go. */
  get #known(): string[] | undefined {
    return this.#names?.filter((name) => isKnown(this.#port, name))
  }

  #list(): Connection[] {
    const known = this.#known
    if (known === undefined) return selectPeers(this.#port, { self: this.#self }, 'any()')
    if (this.#self && !known.includes(this.#port.local)) known.push(this.#port.local)
    const hosts = known.length === 0 ? (this.#names as readonly string[]) : known
    return selectPeers(this.#port, { hosts }, 'any()')
  }

  #isHere(connection: Connection): boolean {
    return connection.host === this.#port.local || connection.usable !== undefined
  }

  #isAble(connection: Connection): boolean {
    const { subroute, id, kind } = this.#wanted
    // The connection of this server to itself may not be made yet.
    const isSelf = connection.host === this.#port.local
    const handlers = isSelf ? this.#port.handlers : connection.usable?.remoteHandlers
    return handlers?.find(subroute, id)?.kind === kind
  }
}

function pickOfTwo(peers: readonly Connection[]): Connection | undefined {
  const first = Math.floor(Math.random() * peers.length)
  const [one, other] = [
    peers[first],
    peers[(first + 1 + Math.floor(Math.random() * (peers.length - 1))) % peers.length]
  ]
  return countOpen(other) < countOpen(one) ? other : one
}

function countOpen(connection: Connection | undefined): number {
  return connection?.usable?.stats().outboundStreams ?? 0
}

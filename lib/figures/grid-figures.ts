/**
 * What a manager keeps of what happens: the figures of all calls, by handler over all peers and by peer over all handlers, both
 * of what is called and of what is served; and the last events.
 *
 * They outlive sessions, and those by handler outlive hosts that are removed and handlers that are withdrawn.
 */

import type { Remote } from '../base/remote.ts'
import type { HandlerName, HandlerStats } from '../report/stats.ts'
import { EventLog, HostEvents } from './event-log.ts'
import { Figures, type OpenTally, otherName } from './figures.ts'

/** Names that are called and that no peer has. */
const maxUnknown = 1024
/** All names: peers offer other handlers over the years. */
const maxNames = 16_384

/** The figures of each handler. */
export class HandlerFigures {
  readonly #all = new Map<string, { readonly name: HandlerName; readonly figures: Figures }>()
  #unknown = 0

  /** Those of a handler, made when they are first asked for. Beyond the bounds those of all others. */
  of(name: HandlerName, isKnown: boolean): Figures {
    const key = `${name.kind}\0${name.subroute}\0${name.handler}`
    const found = this.#all.get(key)
    if (found !== undefined) return found.figures
    const isOther = name.handler === otherName && name.subroute === ''
    const isTooMany = this.#all.size >= maxNames || (!isKnown && this.#unknown >= maxUnknown)
    if (isTooMany && !isOther) return this.of({ kind: name.kind, handler: otherName, subroute: '' }, true)
    if (!isKnown) this.#unknown++
    const figures = new Figures()
    this.#all.set(key, { name, figures })
    return figures
  }

  read(open: OpenTally): HandlerStats[] {
    return [...this.#all.values()].map(({ name, figures }) => ({ ...name, ...open.read(figures) }))
  }
}

/** Of the calls of this server to one peer, and of that peer to this server. */
export interface PeerFigures {
  readonly called: Figures
  readonly served: Figures
  readonly events: HostEvents
}

export class GridFigures {
  readonly called = new HandlerFigures()
  readonly served = new HandlerFigures()
  readonly events: EventLog
  readonly #peers = new Map<string, PeerFigures>()

  constructor(local = '') {
    this.events = new EventLog(local)
  }

  /** The events of a peer that has a connection, else those of the process: anybody may claim a name. */
  eventsOf(claimed: string | undefined, role: Remote['role'] = 'host'): HostEvents {
    if (role === 'guest') return this.events.guests
    return this.#peers.get(claimed ?? '')?.events ?? this.events.own
  }

  /** Those of a peer: the same objects for all its sessions. */
  of(host: string): PeerFigures {
    const known = this.#peers.get(host)
    if (known !== undefined) return known
    const figures = { called: new Figures(), served: new Figures(), events: new HostEvents(this.events, host) }
    this.#peers.set(host, figures)
    return figures
  }

  /** Runs `make`, which makes the only one that counts for a guest of this name: another one has figures of its own. */
  forGuest<Made>(guest: string, make: () => Made): Made {
    const events = new HostEvents(this.events, guest, this.events.guests)
    this.#peers.set(guest, { called: new Figures(), served: new Figures(), events })
    try {
      return make()
    } finally {
      this.#peers.delete(guest)
    }
  }

  /** Forgets the hosts that are not among `hosts`. */
  forgetOthers(hosts: ReadonlySet<string>): void {
    for (const host of this.#peers.keys()) if (!hosts.has(host)) this.#peers.delete(host)
  }
}

/**
 * What of an event is the same again, and what it shares with others of one cause: a server, or a handler. An event that is
 * told by no row has none.
 */

import type { GridEvent } from '../../index.ts'
import { isGuest } from './words.ts'

/** Servers that lose one host within this time lose it for one reason. */
const togetherMs = 5000
/** What comes again and again is told once in this time, and counted. */
const againMs = 60_000
/** Shorter round trips are no news. */
const leastRttMs = 5

/** Told by no server, as nobody else sees both ends: a stream has no credit. */
export interface CreditEvent {
  readonly type: 'credit'
  readonly at: number
  readonly local: string
  readonly host: string
  readonly handler: string
  readonly id: number | undefined
  readonly key: string
  readonly text: string
}

export type Happened = GridEvent | CreditEvent

export interface Cause {
  /** The words of a row. */
  readonly kind: Kind
  readonly same: string
  /** Whatever has one of these has the same cause. */
  readonly shared: readonly string[]
  /** For how long it is one row. */
  readonly limitMs: number
}

export type Kind =
  | ('lost' | 'hello' | 'close' | 'goAway' | 'dial' | 'rtt' | 'slowTurn')
  | ('guestHello' | 'guestClose')
  | ('refuses' | 'refused' | 'reset' | 'mistake' | 'credit')

export function causeOf(event: Happened): Cause | undefined {
  const { local, host } = event
  const ends = [local, host]
  const pair = [...ends].sort().join(' ')
  const once = (kind: Kind, ...same: string[]) => ({ kind, same: same.join(' '), shared: ends, limitMs: togetherMs })
  const again = (kind: Kind, shared: string[], ...same: string[]) => {
    return { kind, same: same.join(' '), shared, limitMs: againMs }
  }
  switch (event.type) {
    case 'state':
      // That a guest is gone is told by the end of its conn, which says whether it went by itself.
      if (event.previous !== 'connected' || event.state === 'closed' || isGuest(host)) return undefined
      return once('lost', local, host)
    case 'hello':
      return once(isGuest(host) ? 'guestHello' : 'hello', local, host, event.instance)
    case 'close':
      if (!isGuest(host)) return once('close', local, host, event.reason)
      return {
        ...once('guestClose', local, host, event.reason),
        shared: ends.map((end) => `${event.reason} ${end}`)
      }
    case 'goAway':
      return event.direction === 'outbound' || isGuest(host) ? undefined : once('goAway', local, host)
    case 'dial':
      return event.error === undefined ? undefined : again('dial', ends, local, host, event.error.code)
    case 'rtt':
      return event.durationMs < leastRttMs || host === local ? undefined : again('rtt', ends, pair)
    case 'slowTurn':
      // Processes of one machine stand together, and nothing says which share one.
      return again('slowTurn', [''], local)
    case 'refused': {
      const { direction, reason, handler = '' } = event
      const shared = ends.map((end) => `${reason} ${end}`)
      return again(direction === 'inbound' ? 'refuses' : 'refused', shared, local, host, reason, handler)
    }
    case 'reset': {
      const name = `${event.subroute} ${event.handler}`
      return again('reset', [pair, name], local, host, name, event.reason)
    }
    case 'mistake': {
      const name = `${event.subroute} ${event.handler} ${event.name}`
      return again('mistake', [name], local, name)
    }
    case 'credit':
      return again('credit', [`${pair} ${event.handler}`], event.key)
    default:
      return undefined
  }
}

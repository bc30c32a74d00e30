/** Who is connected and in nobody's list, such as a command line: of each server its guests, with what they call. */

import { freshOf, type Seen } from './matrix.ts'
import type { Guest } from './model.ts'
import { nameOfGuest } from './words.ts'

const mostTold = 100

/** With what says that it is the same one. */
export interface KnownGuest extends Guest {
  readonly key: string
}

/** Those that are there for longest: so they stay the same while all of them call. */
export function guestsOf(seen: Seen): KnownGuest[] {
  const all = freshOf(seen).flatMap(({ host: server, stats, offsetMs }) =>
    (stats?.guests ?? []).map(
      ({ host, since, rttMs, calls, running, errors, asked }): KnownGuest => ({
        key: `${server} ${host} ${since}`,
        ...{ server, name: nameOfGuest(host), since: Math.round((since + offsetMs) / 1000) * 1000 },
        ...{ calls, failed: failedOf(errors), running, asked },
        ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 })
      })
    )
  )
  return all.sort((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1)).slice(0, mostTold)
}

/** Calls that it gave up are no errors. */
function failedOf(errors: Readonly<Record<string, number>>): number {
  return Object.entries(errors).reduce((sum, [code, count]) => sum + (code === 'ERR_CANCELLED' ? 0 : count), 0)
}

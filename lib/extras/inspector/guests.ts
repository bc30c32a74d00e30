/** Who is connected and in nobody's list, such as a command line: of each server its guests, with what they call. */

import { freshOf, type Seen } from './matrix.ts'
import type { Guest } from './model.ts'
import { shorten } from './words.ts'

const mostTold = 100
/** Before the name of a guest. */
const prefix = /^guest:/

/** By server, those that run most first. */
export function guestsOf(seen: Seen): Guest[] {
  const all = freshOf(seen).flatMap(({ host: server, stats, offsetMs }) =>
    (stats?.guests ?? []).map(
      ({ host, since, rttMs, calls, running, errors, asked }): Guest => ({
        ...{ server, name: shorten(host.replace(prefix, '')), since: Math.round((since + offsetMs) / 1000) * 1000 },
        ...{ calls, failed: failedOf(errors), running, asked },
        ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 })
      })
    )
  )
  return all.sort((a, b) => b.running - a.running || b.calls - a.calls).slice(0, mostTold)
}

/** Calls that it gave up are no errors. */
function failedOf(errors: Readonly<Record<string, number>>): number {
  return Object.entries(errors).reduce((sum, [code, count]) => sum + (code === 'ERR_CANCELLED' ? 0 : count), 0)
}

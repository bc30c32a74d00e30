/**
 * The behaviour of calls, which does not depend on what carries them: run for one kind of link, called from either end.
 *
 * Each fact gets a link of its own; after it both ends count nothing, and everything is closed.
 */

import { once } from 'node:events'
import { describe, it } from 'node:test'
import { paced } from '../support/clock/pace.ts'
import { type Link, type LinkKind, type LinkOptions, openLink, useLink } from '../support/grid/links.ts'
import { batchFacts } from './suite/batches.ts'
import { codecFacts } from './suite/codecs.ts'
import { errorFacts } from './suite/errors.ts'
import { failureFacts } from './suite/failures.ts'
import { handlerFacts } from './suite/handlers.ts'
import { hostileFacts } from './suite/hostile-values.ts'
import { iteratorFacts } from './suite/iterators.ts'
import { lossFacts } from './suite/loss.ts'
import { overFacts } from './suite/over.ts'
import { payloadFacts } from './suite/payloads.ts'
import { releasedFacts } from './suite/released.ts'
import { requestFacts } from './suite/requests.ts'
import { stoppedFacts } from './suite/stopped-requests.ts'
import { stopFacts } from './suite/stops.ts'
import { streamFacts } from './suite/streams.ts'
import { unwindFacts } from './suite/unwinding.ts'
import { windowFacts } from './suite/windows.ts'

/** Registers one fact; `title` says what is so, or what does not happen. */
export type Fact = (title: string, body: (link: Link) => Promise<void>, options?: LinkOptions) => void

const themes: Record<string, (fact: Fact) => void> = {
  requests: requestFacts,
  errors: errorFacts,
  'failures of any value': failureFacts,
  streams: streamFacts,
  iterators: iteratorFacts,
  'payloads whose memory is gone': payloadFacts,
  'values of every kind': hostileFacts,
  'codecs that break their contract': codecFacts,
  windows: windowFacts,
  'many messages at once': batchFacts,
  'cancels and deadlines': stopFacts,
  'requests that nobody takes': stoppedFacts,
  unwinding: unwindFacts,
  'sources that nobody reads': releasedFacts,
  'handlers whose calls are over': overFacts,
  'what a peer offers': handlerFacts,
  'a lost or silent peer': lossFacts
}

/**
 * A call that never ends must end the fact at least; no fact is near this. Three facts run at once, and to see that nothing
 * more happens takes hundreds of turns of the event loop, of which each may do the computing of the others.
 */
const timeout = paced(120_000)

/** @param common options of all links; `left` are themes that are left out */
export function behaviourSuite(
  kind: LinkKind,
  common: LinkOptions = {},
  name = '',
  left: readonly string[] = []
): void {
  for (const from of ['dialer', 'listener'] as const) {
    const fact: Fact = (title, body, options) =>
      it(title, { timeout }, async ({ signal }) =>
        onLink(await openLink(kind, from, { ...common, ...options }), body, signal)
      )
    describe(`over ${kind}${name}, called from the ${from}`, { concurrency: 3 }, () => {
      for (const [theme, facts] of Object.entries(themes)) {
        if (!left.includes(theme)) describe(theme, { concurrency: 1 }, () => facts(fact))
      }
    })
  }
}

async function onLink(link: Link, body: (link: Link) => Promise<void>, signal: AbortSignal): Promise<void> {
  const tooLate = once(signal, 'abort').then(() => Promise.reject(new Error('it did not end')))
  await useLink(link, () => Promise.race([body(link), tooLate]))
}

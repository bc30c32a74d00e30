/**
 * The five claims that the demo shows by default, each below the lines of code that it is about.
 *
 * The lines are those that run, from the files beside this one, broken so that they fit: a spec compares them.
 */

import type { Headline } from './report.ts'

export const headlines = {
  directions: {
    code: [
      'const requests = Array.from({ length: times }, () =>',
      '  this.#peer(peer).request(introduce, { asker: this.#init.name })',
      ')'
    ],
    claim: 'all of these calls, in both directions, went over the one socket between the two'
  },
  stall: {
    code: ['for (let number = 1; number <= upTo; number++) {', '  workshop.numbersMade = number', '  yield number'],
    claim: 'node-2 took 5 numbers and stalls: the generator in node-1 stops at the window'
  },
  locks: {
    code: ["await this.#lockClient.withLock(['counter'], increment, {", "  source: 'countUp'", '})'],
    claim: 'all 4 processes count up in one file, 10 times each, under a write lock, and no count is lost'
  },
  kill: {
    code: [
      'const { name, code, delivery, message: text } = thrown',
      'const error = { name, code, delivery, text }',
      'return { error, elapsedMs: elapsedMs() }'
    ],
    claim: 'the request in flight fails, and says that the handler may have run'
  },
  healing: {
    code: ["connection.on('restart', ({ instance }) =>", "  journal('restart noticed', peer, instance)", ')'],
    claim: 'the three others have reconnected, and noticed that node-4 is a new instance'
  }
} satisfies Record<string, Headline>

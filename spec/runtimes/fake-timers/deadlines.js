/** Calls that get no answer, in a process whose timers are fake: which of them have ended, and how, before and after 1000 ms. */

import { insecure, Manager, silentLogger, single, streaming } from 'it-grid'

const never = single('never')
const silent = streaming('silent', { inCapacity: 0 })
const noValue = undefined

/** @param advance moves the fake clock, and lets go on what waits for it */
export async function deadlines(advance) {
  const [self, other] = ['http://a:1', 'http://b:1']
  const dialer = () => new Promise(() => {})
  const grid = new Manager({ local: self, hosts: [self, other], auth: insecure(), dialer, logger: silentLogger })
  grid.handle(never, () => new Promise(() => {}))
  grid.handle(silent, async (_payload, _requests, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  await advance(1)
  const ended = {}
  const watch = (name, call) =>
    call.then(
      () => Object.assign(ended, { [name]: 'answered' }),
      (error) => Object.assign(ended, { [name]: error.code })
    )
  const options = { timeout: 1000 }
  watch('request', grid.connection(self).request(never, noValue, options))
  watch('stream', grid.connection(self).newStream(silent, noValue, options).responses.next())
  watch('wait', grid.connection(other).request(never, noValue, { ...options, waitForReady: true }))
  await advance(900)
  const before = { ...ended }
  await advance(200)
  const after = { ...ended }
  const closed = grid.close({ timeout: 10 })
  await advance(1000)
  await closed
  return { before, after }
}

export const expected = { before: {}, after: { request: 'ERR_DEADLINE', stream: 'ERR_DEADLINE', wait: 'ERR_DEADLINE' } }

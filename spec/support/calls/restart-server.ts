/**
 * A server that is there to be killed: answers calls of every kind, and makes them on its one peer, until then.
 *
 * Tells its instance once it listens, and each wrong answer. Makes no calls between the words `quiet` and `go`.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { connectWS, Manager, sharedSecret, silentLogger } from '../../../lib/index.ts'
import { oneOf, randomFrom } from '../random.ts'
import { excusedCode, mixedCalls, serveMixedCalls } from './mixed.ts'

export interface RestartServerInit {
  readonly local: string
  readonly peer: string
  readonly peerUrl: string
  readonly port: number
  readonly seed: number
}

export type RestartServerReport = { readonly instance: string } | { readonly wrong: string }

const { local, peer, peerUrl, port, seed }: RestartServerInit = JSON.parse(process.argv[2] ?? '')
const random = randomFrom(seed)
const report = (message: RestartServerReport) => process.send?.(message)
const server = createServer()
const manager = new Manager({
  local,
  hosts: [local, peer],
  auth: sharedSecret('a secret of the specs'),
  logger: silentLogger,
  reconnect: { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 },
  dialer: (_address, options) => connectWS()(peerUrl, options)
})
serveMixedCalls(manager)
manager.attach(server)
server.listen(port, '127.0.0.1', () => report({ instance: manager.instance }))
process.on('disconnect', () => process.exit())
let quiet = false
process.on('message', (word) => {
  quiet = word === 'quiet'
})

for (;;) {
  await delay(5)
  if (quiet) continue
  try {
    const name = oneOf(random, Object.keys(mixedCalls))
    await mixedCalls[name]?.(manager.connection(peer), random, { waitForReady: true })
  } catch (error) {
    if (excusedCode(error) === undefined) report({ wrong: String(error instanceof Error ? error.stack : error) })
  }
}

/** A process whose manager dials and then talks all the time: a live peer, whatever the process of the spec does. */

import { setTimeout as delay } from 'node:timers/promises'
import { connectWS, Manager, sharedSecret, silentLogger } from '../../../lib/index.ts'

/** The only argument, as JSON. */
export interface TalkingPeerOptions {
  readonly local: string
  readonly remote: string
  /** Where `remote` is. */
  readonly url: string
  readonly secret: string
}

const { local, remote, url, secret } = JSON.parse(process.argv[2] ?? '') as TalkingPeerOptions
const manager = new Manager({
  local,
  hosts: [local, remote],
  auth: sharedSecret(secret),
  logger: silentLogger,
  // Others may stall for long: it is not to judge them.
  keepAlive: { intervalMs: 60_000 },
  dialer: (_, options) => connectWS()(url, options)
})
let isOver = false
process.once('disconnect', () => {
  isOver = true
})
const peer = manager.connection(remote)
while (!isOver) {
  await peer.request('heard', undefined, { waitForReady: true })
  await delay(10)
}
await manager.close({ timeout: 1 })

/** A server in a process of its own whose clock is wrong, or whose event loop is held up again and again. */

import { sharedSecret } from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

export interface IllInit extends ServerInit {
  readonly guestSecret: string
  /** How far its clock is ahead. */
  readonly skewMs: number
  /** What a turn of it takes, once every so often. */
  readonly blockMs: number
}

const init = given<IllInit>()
const now = Date.now
Date.now = () => now() + init.skewMs

const guests = { allow: () => true, auth: sharedSecret(init.guestSecret) }
const { words } = startServer(init, { introspection: () => true, guests })
obey(words)

if (init.blockMs > 0) {
  const block = () => {
    spend(init.blockMs)
    setTimeout(block, init.blockMs / 8)
  }
  setTimeout(block, 1)
}

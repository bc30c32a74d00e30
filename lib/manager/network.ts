/**
 * The ways between this server and the others, put together: conns that arrive and that are dialed, their handshakes, and the
 * connections that take them.
 */

import { maxConnMessageBytes } from '../base/options.ts'
import { Listener } from '../listen/listener.ts'
import { Establisher } from '../peer/establish.ts'
import type { SessionInit } from '../session/session.ts'
import type { Settings } from './options.ts'
import { Peers } from './peers.ts'

export interface Network {
  readonly establisher: Establisher
  readonly listener: Listener
  readonly peers: Peers
}

/** @param isClosing the manager lets nobody in any more */
export function createNetwork(
  settings: Settings,
  instance: Uint8Array,
  session: Pick<SessionInit, 'limits' | 'beat' | 'handlers'>,
  isClosing: () => boolean
): Network {
  const { local, auth, path, checksum, allowOrigin, logger } = settings
  const largest = maxConnMessageBytes(session.limits)
  const establisher: Establisher = new Establisher({
    ...{ local, instance, auth, checksum, logger, session },
    connect: (host, signal) => settings.dialer(host, { signal, path, maxConnMessageBytes: largest }),
    admit: (host, from) => {
      if (isClosing()) return { reason: 'goingAway', message: `${local} is shutting down` }
      return peers.admit(host, from)
    },
    onAccepted: (host, established) => peers.adopt(host, established)
  })
  const listener = new Listener({
    ...{ path, allowOrigin, logger, maxConnMessageBytes: largest },
    onConn: (conn) => establisher.accept(conn),
    onTlsRefused: (code, remoteAddress) => establisher.refusedByTls(code, remoteAddress),
    onListening: () => peers.hurry()
  })
  const peers: Peers = new Peers({
    ...{ local, logger, establisher, hooks: settings.hooks.caller },
    isAttached: () => listener.isAttached,
    reconnect: settings.reconnect,
    figures: session.handlers.figures
  })
  return { establisher, listener, peers }
}

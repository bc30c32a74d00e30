/**
 * A network for two managers, one per kind of conn: how one dials, how the other accepts, and what lies between them.
 *
 * Used by `grid/links.ts`; everything but memory goes over real sockets, through a proxy.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Direction, type FaultProxy, faultProxy, type Place } from '../../../lib/extras/testing/index.ts'
import {
  type ConnDialer,
  connectDuplex,
  connectWS,
  duplexConn,
  type Manager,
  type MemoryConn,
  memoryPair
} from '../../../lib/index.ts'
import { type Certificate, selfSigned } from './certificates.ts'

/** Any port. */
const loopback: Place = { host: '127.0.0.1', port: 0 }

export interface Network {
  readonly listenerName: string
  readonly dialer: ConnDialer
  /** From now on conns arrive at `manager`. */
  accept(manager: Manager): void
  /** What lies between; memory has no rate, for there are messages only. */
  readonly faults: Pick<FaultProxy, 'impair' | 'heal' | 'cut'>
  close(): Promise<void>
}

export const networks = { ws, wss, tcp, unix, memory }

async function ws(): Promise<Network> {
  return await webSockets('http', http.createServer(), connectWS())
}

/** Made once: it takes longer than a spec. */
let certificate: Certificate | undefined

async function wss(): Promise<Network> {
  certificate ??= await selfSigned(['127.0.0.1'])
  const { key, cert, ca } = certificate
  return await webSockets('https', https.createServer({ key, cert }), connectWS({ tls: { ca } }))
}

async function webSockets(scheme: string, server: http.Server, dialer: ConnDialer): Promise<Network> {
  const proxy = await proxyTo(server)
  return {
    ...proxied(proxy, server),
    listenerName: proxy.url.replace('http', scheme),
    dialer,
    accept: (manager) => manager.attach(server)
  }
}

async function tcp(): Promise<Network> {
  const server = net.createServer()
  const proxy = await proxyTo(server)
  return { ...proxied(proxy, server), ...duplexes(server, { host: '127.0.0.1', port: proxy.port }) }
}

async function unix(): Promise<Network> {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-'))
  const server = net.createServer()
  const place = { path: join(folder, 'proxy') }
  const network = proxied(await proxyTo(server, { path: join(folder, 'server') }, place), server)
  const close = () => network.close().then(() => rmSync(folder, { recursive: true }))
  return { ...network, ...duplexes(server, place), close }
}

function duplexes(server: net.Server, place: Place): Pick<Network, 'listenerName' | 'dialer' | 'accept'> {
  return {
    listenerName: 'http://listener.test:9000',
    dialer: connectDuplex(() => net.connect(place)),
    accept: (manager) => server.on('connection', (socket) => manager.incomingConn(duplexConn(socket)))
  }
}

async function proxyTo(server: net.Server, serverAt = loopback, proxyAt = loopback): Promise<FaultProxy> {
  server.listen(serverAt)
  await once(server, 'listening')
  const address = server.address()
  return await faultProxy(typeof address === 'string' ? { path: address } : { port: address?.port ?? 0 }, proxyAt)
}

function proxied(proxy: FaultProxy, server: net.Server): Pick<Network, 'faults' | 'close'> {
  const close = async () => {
    await proxy.close()
    server.close()
    await once(server, 'close')
  }
  return { faults: proxy, close }
}

async function memory(): Promise<Network> {
  const blocked = new Set<Direction>()
  let accepting: Manager | undefined
  let live: readonly MemoryConn[] = []
  const hold = ([dialing, accepted]: readonly MemoryConn[]) => {
    if (blocked.has('inbound')) dialing?.link.hold()
    if (blocked.has('outbound')) accepted?.link.hold()
  }
  const heal = () => {
    blocked.clear()
    for (const conn of live) conn.link.release()
  }
  const cut = () => {
    for (const conn of live) conn.link.release()
    live[0]?.abort(new Error('the memory conn was cut'))
  }
  return {
    listenerName: 'http://listener.test:9000',
    async dialer() {
      const [dialing, accepted] = memoryPair()
      live = [dialing, accepted]
      hold(live)
      accepting?.incomingConn(accepted)
      return dialing
    },
    accept(manager) {
      accepting = manager
    },
    faults: {
      impair({ blackhole }, direction) {
        if (blackhole !== true || direction === undefined) throw new Error('a memory conn is blocked one way only')
        blocked.add(direction)
        hold(live)
      },
      heal,
      cut
    },
    close: async () => cut()
  }
}

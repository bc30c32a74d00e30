/** Two servers of a grid that reach each other through a real proxy only. */

import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { TestContext } from 'node:test'
import {
  type Auth,
  connectWS,
  type Manager,
  type ManagerOptions,
  mutualTLS,
  streaming,
  type WebSocketOptions
} from '../../lib/index.ts'
import { LogBook, secret } from '../support/grid/manager.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { makeAuthority } from '../support/network/certificates.ts'
import { until } from '../support/until.ts'
import { type Changes, certificate, type Kind, RealProxy } from './proxy.ts'

export const ways = ['A path for each host', 'A name for each host', 'TLS passed through'] as const
export type Way = (typeof ways)[number]

export const numbers = streaming<void, never, number>('numbers', { inCapacity: 0, outCapacity: 4 })

/** Every name leads here. */
const lookup: LookupFunction = (_name, { all }, done) =>
  all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)

const authority = await makeAuthority('authority of the grid')

export interface Options {
  readonly kind: Kind
  readonly way: Way
  /** Of configurations beside that of the way. */
  readonly titles?: readonly string[]
  readonly changes?: Changes
  readonly manager?: Partial<ManagerOptions>
  /** Around that of the way. */
  readonly around?: (auth: Auth) => Auth
  /** In place of what the page says. */
  readonly dialer?: (proxy: RealProxy) => WebSocketOptions
}

export interface Side {
  readonly name: string
  readonly manager: Manager
  readonly log: LogBook
  readonly server: TestServer
  /** How many numbers its generator has made. */
  made: number
  /** The payloads of the calls of `work` that have begun here. */
  readonly begun: string[]
  /** Ends those that wait. */
  release: () => void
}

/** The two, of which the first dials the second, and the proxy. */
export async function behind(test: TestContext, options: Options) {
  const { kind, way, titles = [], changes = [], manager, around = (auth) => auth, dialer } = options
  const servers = new Servers(test)
  const isPassed = way === 'TLS passed through'
  const listen = async (n: number) => {
    const own = isPassed ? { ...(await authority.issue([`node-${n}.grid.example`])), ca: authority.cert } : undefined
    const http = own === undefined ? createHttpServer() : createHttpsServer({ ...own, requestCert: true })
    return { server: servers.watch(await new TestServer(http).listen()), tls: own ?? { ca: certificate.ca } }
  }
  const [one, two] = [await listen(1), await listen(2)]
  const ports = [one.server.port, two.server.port] as const
  const proxy = await RealProxy.start({ kind, titles: [...titles, way], ports, changes })
  servers.onEnd(() => proxy.end())
  const isByPath = way === 'A path for each host'
  const nameOf = (n: number) => (isByPath ? `https://node-${n}` : `https://node-${n}.grid.example:${proxy.port}`)
  const hosts = [nameOf(1), nameOf(2)]
  const url = (host: string, path: string) => `https://edge.example:${proxy.port}/${new URL(host).hostname}${path}`
  const serve = ({ server, tls }: typeof one, name: string): Side => {
    const log = new LogBook()
    const connect = connectWS({ tls, lookup, ...(isByPath ? { url } : {}), ...dialer?.(proxy) })
    const auth = around(isPassed ? mutualTLS() : secret)
    const own = servers.manager({ local: name, hosts, logger: log, dialer: connect, auth, ...manager })
    const waiting: (() => void)[] = []
    const release = () => {
      for (const end of waiting.splice(0)) end()
    }
    const side: Side = { name, manager: own, log, server, made: 0, begun: [], release }
    own.handle('who', (_payload, { remote }) => Buffer.from(`${remote.host} asks ${name}`))
    own.handle('address', (_payload, { remote }) => Buffer.from(remote.address))
    own.handle('echo', (payload) => payload)
    own.handle('work', async (payload) => {
      const text = Buffer.from(payload).toString()
      side.begun.push(text)
      if (text.startsWith('wait')) await new Promise<void>((resolve) => waiting.push(resolve))
      return payload
    })
    own.handle(numbers, async function* () {
      for (;;) yield side.made++
    })
    own.attach(server.http)
    return side
  }
  const [a, b] = [serve(one, hosts[0] as string), serve(two, hosts[1] as string)]
  return { proxy, a, b, peer: a.manager.connection(b.name), back: b.manager.connection(a.name) }
}

/** Why one of the two cannot dial the other. */
export async function dialError({
  peer,
  back
}: Pick<Awaited<ReturnType<typeof behind>>, 'peer' | 'back'>): Promise<Error> {
  const dialing = peer.stats().isDialer ? peer : back
  await until(() => dialing.lastError !== undefined, 'the dial has failed')
  return dialing.lastError as Error
}

/** A program of a user of the extras, which must compile as it is where their peers are installed. */

import dns, { Resolver } from 'node:dns/promises'
import { create } from '@bufbuild/protobuf'
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt'
import fastify from 'fastify'
import { type Codec, insecure, Manager } from 'it-grid'
import { type CommandLineInit, exitCodes, runCommandLine } from 'it-grid/cli'
import {
  consulHosts,
  type DiscoveryOptions,
  dnsHosts,
  etcdHosts,
  fileHosts,
  type HostSource,
  kubernetesHosts
} from 'it-grid/discovery'
import { type FastifyGridOptions, fastifyGrid } from 'it-grid/fastify'
import { LockClient, LockError, type LockServer, serveLocks } from 'it-grid/locks'
import { GridClient, type GridContext, GridServer, gridTransport } from 'it-grid/nestjs'
import { type InstrumentOptions, instrument } from 'it-grid/otel'
import { type CollectOptions, collectGridMetrics } from 'it-grid/prometheus'
import { protobuf } from 'it-grid/protobuf'
import { type AdapterOptions, createAdapter } from 'it-grid/socket.io'
import { type TestGridOptions, testGrid } from 'it-grid/testing'
import { Registry } from 'prom-client'
import type { Observable } from 'rxjs'
import type { ClusterAdapter } from 'socket.io-adapter'

await using grid = new Manager({ local: 'http://a:1', hosts: ['http://a:1'], auth: insecure() })
const options: CollectOptions = { register: new Registry(), prefix: 'app_' }
const end: () => void = collectGridMetrics(grid, options)
end()
const tracing: InstrumentOptions = {
  ignore: ({ subroute }) => subroute === '$grid',
  attributes: ({ side }) => ({ side })
}
instrument(tracing)()
const server: LockServer = serveLocks(grid, { ttlMs: 1000, allowForceUnlock: ({ host }) => host === grid.local })
const inside: Promise<number> = new LockClient(grid, { servers: [grid.local] })
  .withLock(['a'], (signal, { token }) => (signal.aborted ? 0 : token), { timeout: 1 })
  .catch((error: unknown) => (error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT' ? server.size : 0))
await inside
server.close()

const adapting: AdapterOptions = { requestsTimeout: 1000, subroute: 'chat' }
export const adapter: (nsp: unknown) => ClusterAdapter = createAdapter(grid, adapting)

const app = fastify()
const plugin: FastifyGridOptions = { grid, close: { timeout: 10 } }
await app.register(fastifyGrid, plugin)
await fastify().register(fastifyGrid, { local: 'http://a:1', hosts: ['http://a:1'], auth: insecure() })
app.get('/', (request): string => request.server.grid.local)
await app.close()

const common: DiscoveryOptions = { local: 'http://a:1', keepMs: 1000, signal: AbortSignal.abort() }
const sources: HostSource[] = [
  dnsHosts({ ...common, name: '_grid._tcp.example', type: 'SRV', resolver: new Resolver() }),
  dnsHosts({ ...common, name: 'nodes', type: 'A', port: 1, resolver: dns }),
  fileHosts('/etc/hosts.grid', common),
  etcdHosts({ ...common, endpoints: ['http://a:1'], prefix: '/grid', headers: { authorization: 'token' } }),
  consulHosts({ ...common, endpoint: 'https://a:1', service: 'grid', tls: async () => ({ ca: 'PEM' }) }),
  kubernetesHosts({ ...common, service: 'nodes', names: 'hostname', endpoint: 'https://a:1' })
]
for (const hosts of sources) await new Manager({ local: 'http://a:1', hosts, auth: insecure() }).close()
const strategy = new GridServer(grid, { subroute: 'app', maxAhead: 10 })
const client = new GridClient(grid, { hosts: ['http://a:1'], timeout: 1000 })
const count: Observable<number> = client.send<number, string>('count', 'a')
const handler = (_data: string, context: GridContext): string => context.call.remote.host
export const transport: boolean = strategy.transportId === gridTransport
export const served = [count, handler]

const moment: Codec<Timestamp> = protobuf(TimestampSchema)
export const seconds: bigint = moment.decode(moment.encode(create(TimestampSchema, { seconds: 1n }))).seconds

const { stdin, stdout, stderr, env } = process
const init: CommandLineInit = { stdin, stdout, stderr, env, signal: AbortSignal.abort() }
const isUsage: boolean = (await runCommandLine(['call'], init)) === exitCodes.usage
console.error(isUsage)

const test: TestGridOptions = {
  seed: 7,
  setup: (grid, index) => grid.handle('whoami', () => Uint8Array.of(index)),
  options: { keepAlive: { intervalMs: 100 } }
}
await using inMemory = await testGrid(3, test)
inMemory.delay(0, 1, [5, 50])

export function misuse(): void {
  // @ts-expect-error SRV records have the port
  dnsHosts({ ...common, name: 'nodes', type: 'SRV', port: 1 })
  // @ts-expect-error addresses have none
  dnsHosts({ ...common, name: 'nodes', type: 'A' })
  // @ts-expect-error the types arrive: an option that there is not
  collectGridMetrics(grid, { registry: new Registry() })
  // @ts-expect-error an option that there is not
  serveLocks(grid, { ttl: 1 })
  // @ts-expect-error neither a manager nor its options
  app.register(fastifyGrid, { local: 'http://a:1' })
  // @ts-expect-error an option that there is not
  new GridClient(grid, { host: 'http://a:1' })
  // @ts-expect-error what the kit sets itself
  testGrid(2, { options: { local: 'http://a:1' } })
  // @ts-expect-error an option that there is not
  createAdapter(grid, { requestTimeout: 1 })
  // @ts-expect-error a method that a call does not have
  instrument({ ignore: (call) => call.id === 'echo' })
}

/**
 * One server of the demo, in a process of its own: an HTTP server with a grid manager on it.
 *
 * Its handlers are in `handlers.ts`, the calls that it makes in `tasks.ts`. `main.ts` starts it, and tells it over IPC what
 * to do next.
 */

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { inspector } from '../../lib/extras/inspector/index.ts'
import { serveLocks } from '../../lib/extras/locks/index.ts'
import { type Logger, Manager, sharedSecret } from '../../lib/index.ts'
import { offerHandlers, Workshop } from './handlers.ts'
import { type GridPlan, journal, type ServerAddress, type ToServer, tell } from './ipc.ts'
import { watchSockets } from './sockets.ts'
import { Tasks } from './tasks.ts'

const [name = 'unnamed', port = '0'] = process.argv.slice(2)
/** One server can be told to really misbehave, in several ways. That shows that the checks of the demo can fail. */
const sabotages = name === 'node-1' ? (process.env.IT_GRID_DEMO_SABOTAGE ?? '').split(',') : []

/** Of this server, when it is looked into. */
let page: RequestListener | undefined
const server = createServer((request, response) => {
  if (page !== undefined) page(request, response)
  else response.writeHead(404).end('only peers are served here\n')
})
const openSockets = watchSockets(server)
const workshop = new Workshop()

const logger: Logger = {
  debug() {},
  info() {},
  warn: (line) => tell({ type: 'log', line }),
  error: (line) => tell({ type: 'log', line })
}

/** Everything that is needed to join a grid. */
function joinGrid({ servers, secret, disk, lockTtlMs }: GridPlan): Manager {
  const hosts = servers.map(({ host }) => host)
  const local = servers.find((each) => each.name === name)?.host ?? ''
  // One server is killed in this demo. With the default of 10 s, the redials would take too long to watch.
  const reconnect = { maxDelayMs: 500 }
  const introspection = process.env.IT_GRID_DEMO_INSPECT === '1'
  const grid = new Manager({ local, hosts, auth: sharedSecret(secret), reconnect, logger, introspection })
  offerHandlers(grid, { name, disk, workshop, eager: sabotages.includes('eager') })
  serveLocks(grid, { ttlMs: lockTtlMs })
  grid.attach(server)
  // It listens on this machine only.
  if (introspection) page = inspector(grid, { allow: () => true })

  for (const connection of grid.connections) {
    const peer = servers.find(({ host }) => host === connection.host)?.name ?? connection.host
    connection.on('restart', ({ instance }) => journal('restart noticed', peer, instance))
    connection.on('state', ({ previous }) => {
      if (previous === 'connected') journal('connection left', peer)
    })
  }
  return grid
}

async function misbehave(servers: readonly ServerAddress[]): Promise<void> {
  if (sabotages.includes('lingering')) setInterval(() => {}, 1000)
  if (!sabotages.includes('second-socket')) return
  const socket = connect(Number(new URL(servers[1]?.host ?? '').port), '127.0.0.1')
  socket.on('error', (error) => tell({ type: 'log', line: error.message }))
  await once(socket, 'connect')
  socket.unref()
}

async function leave(grid: Manager): Promise<void> {
  await grid.close()
  server.close()
}

/** The demo itself has died, so this process must end too. */
const onOrphaned = () => process.exit(1)

const tasks = new Tasks({
  name,
  workshop,
  openSockets,
  async join(plan) {
    await misbehave(plan.servers)
    return joinGrid(plan)
  },
  leave,
  lockless: sabotages.includes('lockless')
})

process.on('disconnect', onOrphaned)
if (!process.connected) onOrphaned()
process.on('message', ({ id, task, args }: ToServer) => {
  tasks.run(task, args).then(
    (value) => {
      if (task !== 'stop') return tell({ type: 'answer', id, value })
      // From here on nothing in the demo keeps this process alive. It ends by itself, unless the library left something open.
      process.off('disconnect', onOrphaned)
      process.send?.({ type: 'answer', id, value }, () => process.disconnect())
    },
    (error: unknown) => tell({ type: 'failure', id, text: error instanceof Error ? `${error.stack}` : String(error) })
  )
})

server.listen(Number(port), '127.0.0.1', () => {
  tell({ type: 'listening', port: (server.address() as AddressInfo).port })
})

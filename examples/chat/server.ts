/** One of the chat servers: `tsx server.ts LOCAL HOSTS`, both as origins, HOSTS with commas between them. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Manager, sharedSecret, silentLogger } from 'it-grid'
import { createAdapter } from 'it-grid/socket.io'
import { Server } from 'socket.io'
import type { Person, ToClient, ToServer } from './words.ts'

const [local = '', list = ''] = process.argv.slice(2)
const page = readFileSync(new URL('page.html', import.meta.url))

const http = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(page))
// In real use the secret is a random one from outside of the program, and the hosts are `https`.
const auth = sharedSecret(process.env.CHAT_SECRET ?? 'an example secret: yours is random')
// It would warn of servers that do not listen yet.
const grid = new Manager({ local, hosts: list.split(','), auth, logger: silentLogger })
// This line makes all of the servers one.
const io = new Server<ToServer, ToClient, Record<string, never>, Person>(http, { adapter: createAdapter(grid) })
grid.attach(http)

/** Clients say what they like. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= 1000

io.on('connection', (socket) => {
  socket.on('join', async (name, room, answer) => {
    if (!isText(name) || !isText(room) || typeof answer !== 'function' || socket.data.room !== undefined) return
    socket.data = { name, room }
    await socket.join(room)
    socket.to(room).emit('said', { from: 'chat', text: `${name} comes in` })
    // Those of all servers that answer. One that has just died is not waited for.
    const sockets = await io
      .in(room)
      .fetchSockets()
      .catch(() => [])
    answer(sockets.map(({ data }) => data.name).sort())
  })
  socket.on('say', (text) => {
    const { name, room } = socket.data
    if (room !== undefined && isText(text)) io.to(room).emit('said', { from: name, text })
  })
  socket.on('disconnecting', () => {
    const { name, room } = socket.data
    if (room !== undefined) socket.to(room).emit('said', { from: 'chat', text: `${name} leaves` })
  })
})

http.listen(Number(new URL(local).port), '127.0.0.1', async () => {
  await grid.waitForPeers()
  process.send?.('ready')
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Both at once: `io.close()` waits for the conns of the grid as well.
  process.once(signal, () => Promise.all([io.close(), grid.close({ timeout: 2000 })]).then(() => process.exit()))
}
process.on('disconnect', () => process.exit())

/**
 * A server that also does other work: an HTTP app and another WebSocket service share a port with the grid.
 *
 * `attach` accepts the upgrades on its own path and leaves everything else alone.
 * Run it: `node --import tsx examples/middleware-server.ts`
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { Manager, sharedSecret, single } from '../lib/index.ts'
import { hostOf, listen } from './start-pair.ts'

const uptime = single<void, number>('uptime')

// An ordinary app, which knows nothing about the grid.
const app = createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain' }).end(`you asked for ${request.url}`)
})
// An ordinary WebSocket service on the same server.
const chat = new WebSocketServer({ noServer: true })
chat.on('connection', (socket) => socket.on('message', (message) => socket.send(`chat heard: ${message}`)))
app.on('upgrade', (request, socket, head) => {
  if (request.url === '/chat') chat.handleUpgrade(request, socket, head, (ws) => chat.emit('connection', ws, request))
})

const [server, other] = [await listen(app), await listen()]
const hosts = [hostOf(server), hostOf(other)]
const auth = sharedSecret('an example secret: yours is random')
const grid = new Manager({ local: hostOf(server), hosts, auth })
const peer = new Manager({ local: hostOf(other), hosts, auth })
grid.handle(uptime, () => process.uptime())
// One line each: from here on the server accepts peers on /grid/v1.
grid.attach(server)
peer.attach(other)

const seconds = await peer.connection(grid.local).request(uptime, undefined, { waitForReady: true })
console.log(`the grid: its peer asks, and learns that the server has been up for ${seconds.toFixed(1)} s`)
assert.ok(seconds > 0)

const page = await fetch(`${hostOf(server)}/news`, { headers: { Connection: 'close' } })
const text = await page.text()
console.log(`the app: "${text}"`)
assert.equal(text, 'you asked for /news')

const socket = new WebSocket(`${hostOf(server).replace('http', 'ws')}/chat`)
await once(socket, 'open')
socket.send('good morning')
const [message] = await once(socket, 'message')
console.log(`the other WebSocket service: "${message}"`)
assert.equal(String(message), 'chat heard: good morning')
socket.close()
await once(socket, 'close')

const browser = await fetch(`${hostOf(server)}/grid/v1`, { headers: { Connection: 'close' } })
console.log(`a plain request on the path of the grid goes to the app as well: ${browser.status}`)
assert.equal(browser.status, 200)

await Promise.all([grid.close(), peer.close()])
for (const each of [server, other]) each.close()
console.log('done: both servers are closed')

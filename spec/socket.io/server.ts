/** A Socket.IO server on a grid, in a process of `killed.spec.ts`: it answers, and counts what it hears. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from 'it-grid/socket.io'
import { Server } from 'socket.io'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

export type SocketServerWords = typeof words

const init = given<ServerInit & { readonly requestsTimeout: number }>()
const { manager, words: ofServer } = startServer(init)
const http = createServer().listen(0, '127.0.0.1')
const listening = once(http, 'listening')
const io = new Server(http, { adapter: createAdapter(manager, { requestsTimeout: init.requestsTimeout }) })
let heard = 0
io.on('count', () => heard++)
io.on('ask', (answer: (text: string) => void) => answer('here'))
const words = {
  ...ofServer,
  heard: () => heard,
  async clientPort() {
    await listening
    return (http.address() as AddressInfo).port
  }
}
obey(words)

/** `npm start`: three people at three servers talk, a server is killed, and they talk on. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import { startServers } from './servers.ts'
import type { ToClient, ToServer } from './words.ts'

/** On a port that nobody has now, and that is none of those which the system gives to outgoing conns; yours are chosen, and have names. */
async function freeName(): Promise<string> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer().listen(port, '127.0.0.1')
    const isFree = await once(probe, 'listening').then(
      () => true,
      () => false
    )
    if (!isFree) continue
    await once(probe.close(), 'close')
    return `http://127.0.0.1:${port}`
  }
}

const hosts = [await freeName(), await freeName(), await freeName()]

/** A client that goes to the next server when its own is gone. */
class Visitor {
  readonly heard: string[] = []
  /** Who was in the room when this one came in, the last time. */
  names: readonly string[] = []
  readonly #name: string
  #at: number
  #socket: Socket<ToClient, ToServer> | undefined

  constructor(name: string, at: number) {
    this.#name = name
    this.#at = at
    this.#connect()
  }

  say(text: string): void {
    this.#socket?.emit('say', text)
  }

  leave(): void {
    this.#socket?.disconnect()
  }

  #connect(): void {
    const socket: Socket<ToClient, ToServer> = io(hosts[this.#at], { transports: ['websocket'], forceNew: true })
    this.#socket = socket
    socket.on('connect', () => {
      socket.emit('join', this.#name, 'lobby', (names) => {
        this.names = names
      })
    })
    socket.on('said', ({ from, text }) => this.heard.push(`${from}: ${text}`))
    socket.on('disconnect', (reason) => {
      if (reason === 'io client disconnect') return
      socket.disconnect()
      this.names = []
      this.#at = (this.#at + 1) % hosts.length
      this.#connect()
    })
  }
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (let ms = 0; !isTrue(); ms += 10) {
    if (ms > 60_000) throw new Error(`never: ${what}`)
    await delay(10)
  }
}

const servers = await startServers(hosts)
const visitors: Visitor[] = []
for (const [at, name] of ['Ada', 'Bob', 'Cy'].entries()) {
  const visitor = new Visitor(name, at)
  visitors.push(visitor)
  await until(() => visitor.names.length === visitors.length, `${name} sees everybody`)
  console.log(`${name} is at server ${at + 1} and sees ${visitor.names.join(', ')}`)
}

const [ada, bob, cy] = visitors as [Visitor, Visitor, Visitor]
ada.say('hello from server 1')
for (const each of visitors) await until(() => each.heard.includes('Ada: hello from server 1'), 'all hear Ada')
console.log('all three hear Ada')

servers[2]?.kill('SIGKILL')
await until(() => bob.heard.filter((line) => line === 'chat: Cy comes in').length === 2, 'Cy comes back')
await until(() => cy.names.length === 3, 'Cy sees everybody')
console.log(`server 3 is killed; Cy goes to server 1 and sees ${cy.names.join(', ')}`)

cy.say('still here')
for (const each of visitors) await until(() => each.heard.includes('Cy: still here'), 'all hear Cy')
console.log('all three hear Cy')

for (const each of visitors) each.leave()
for (const server of servers) server.kill()

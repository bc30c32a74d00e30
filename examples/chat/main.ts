/** `npm start`: three people at three servers talk, a server is killed, and they talk on. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import { startServers } from './servers.ts'
import type { ToClient, ToServer } from './words.ts'

/** On ports that nobody has just now; yours are chosen, and have names. */
const probes = [0, 1, 2].map(() => createServer().listen(0, '127.0.0.1'))
await Promise.all(probes.map((probe) => once(probe, 'listening')))
const hosts = probes.map((probe) => `http://127.0.0.1:${(probe.address() as AddressInfo).port}`)
await Promise.all(probes.map((probe) => once(probe.close(), 'close')))

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

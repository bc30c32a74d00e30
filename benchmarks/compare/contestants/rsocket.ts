/**
 * rsocket-js 1.0.0-alpha.3, the branch its makers write new code for, over TCP and over WebSocket.
 *
 * TCP without Nagle's algorithm: with it, a single stream makes 1,500 messages a second. Backpressure is request(n),
 * renewed when half of a window was taken; the windows were the best of what was tried.
 */

import { type AddressInfo, createServer, type Server } from 'node:net'
import {
  type ClientTransport,
  type OnExtensionSubscriber,
  type OnNextSubscriber,
  type OnTerminalSubscriber,
  type Payload,
  type RSocket,
  RSocketConnector,
  RSocketServer,
  type ServerTransport
} from 'rsocket-core'
import { TcpClientTransport } from 'rsocket-tcp-client'
import { TcpServerTransport } from 'rsocket-tcp-server'
import { WebsocketClientTransport } from 'rsocket-websocket-client'
import { type SocketFactory, type SocketOptions, WebsocketServerTransport } from 'rsocket-websocket-server'
import { WebSocketServer, WebSocket as WsWebSocket } from 'ws'
import type { ClientSide, Contestant, ServerSide, StreamPlan } from '../contestant.ts'
import { ringOf } from '../messages.ts'
import { windowOf } from './rsocket-window.ts'

type Subscriber = OnNextSubscriber & OnTerminalSubscriber & OnExtensionSubscriber

const nothing = Buffer.alloc(0)
const onExtension = (): void => {}
const ignore = { cancel() {}, onExtension }

const responder: Partial<RSocket> = {
  requestResponse(payload, requester) {
    requester.onNext(payload, true)
    return ignore
  },
  requestStream(payload, initialRequestN, requester) {
    const sender = new CreditSender(JSON.parse(String(payload.data)), 0, requester)
    // The stream is not open before this returns.
    queueMicrotask(() => sender.request(initialRequestN))
    return { ...ignore, request: (n) => sender.request(n) }
  },
  requestChannel(payload, initialRequestN, isCompleted, requester) {
    requester.onNext(payload, isCompleted)
    if (initialRequestN > 1 && !isCompleted) requester.request(initialRequestN - 1)
    return {
      ...ignore,
      onNext: (message, isLast) => requester.onNext(message, isLast),
      request: (n) => requester.request(n),
      onComplete: () => requester.onComplete(),
      onError: (error) => requester.onError(error)
    }
  }
}

/** Sends what is planned, as far as the other end asked for it. */
class CreditSender {
  readonly #plan: StreamPlan
  readonly #ring
  readonly #receiver: OnNextSubscriber
  #sent: number
  #credit = 0

  constructor(plan: StreamPlan, sent: number, receiver: OnNextSubscriber) {
    this.#plan = plan
    this.#ring = ringOf(plan.bytes)
    this.#sent = sent
    this.#receiver = receiver
  }

  request(n: number): void {
    this.#credit += n
    const { count, first } = this.#plan
    while (this.#credit > 0 && this.#sent < count) {
      this.#credit--
      const data = this.#ring.at(first + this.#sent++)
      this.#receiver.onNext({ data }, this.#sent === count)
    }
  }
}

/** Takes messages and asks for more whenever half of the window is free. */
function receiver(
  window: number,
  take: (message: Buffer) => void,
  ask: (n: number) => void,
  end: (error?: Error) => void
): Subscriber {
  const renewal = Math.ceil(window / 2)
  let taken = 0
  return {
    onNext({ data }, isComplete) {
      take(data ?? nothing)
      if (isComplete) end()
      else if (++taken % renewal === 0) ask(renewal)
    },
    onComplete: () => end(),
    onError: end,
    onExtension
  }
}

function clientSide(rsocket: RSocket): ClientSide {
  return {
    request: (data) =>
      new Promise((resolve, reject) => {
        rsocket.requestResponse({ data: data as Buffer } satisfies Payload, {
          onNext: (payload) => resolve(payload.data ?? nothing),
          onError: reject,
          onComplete: () => resolve(nothing),
          onExtension
        })
      }),
    async serverStreams(plans, take) {
      const consume = (plan: StreamPlan, i: number) =>
        new Promise<void>((resolve, reject) => {
          const end = (error?: Error) => (error === undefined ? resolve() : reject(error))
          const window = windowOf(plan.bytes)
          const onMessage = (message: Buffer) => take(i, message)
          const ask = (n: number) => stream.request(n)
          const data = Buffer.from(JSON.stringify(plan))
          const stream = rsocket.requestStream({ data }, window, receiver(window, onMessage, ask, end))
        })
      await Promise.all(plans.map(consume))
    },
    async echoStreams(plans, take) {
      const converse = (plan: StreamPlan, i: number) =>
        new Promise<void>((resolve, reject) => {
          const end = (error?: Error) => (error === undefined ? resolve() : reject(error))
          const window = windowOf(plan.bytes)
          const onMessage = (message: Buffer) => take(i, message)
          const ask = (n: number) => stream.request(n)
          const sender = new CreditSender(plan, 1, { onNext: (message, isLast) => stream.onNext(message, isLast) })
          const stream = rsocket.requestChannel({ data: ringOf(plan.bytes).at(plan.first) }, window, plan.count === 1, {
            ...receiver(window, onMessage, ask, end),
            request: (n) => sender.request(n),
            cancel() {}
          })
        })
      await Promise.all(plans.map(converse))
    },
    close: () => rsocket.close()
  }
}

/** The transport makes its server by itself, and tells nobody the port that it got. */
async function serve(transport: ServerTransport, made: () => Listening | undefined): Promise<ServerSide> {
  const server = new RSocketServer({ transport, acceptor: { accept: async () => responder } })
  const bound = await server.bind()
  const address = made()?.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on no port')
  return { address: String(address.port), close: () => bound.close() }
}

interface Listening {
  address(): AddressInfo | string | null
}

async function dial(transport: ClientTransport): Promise<ClientSide> {
  const setup = { keepAlive: 60_000, lifetime: 600_000 }
  return clientSide(await new RSocketConnector({ setup, transport }).connect())
}

const tcp: Contestant = {
  version: '1.0.0-alpha.3',
  async listen() {
    let server: Server | undefined
    const transport = new TcpServerTransport({
      listenOptions: { host: '127.0.0.1', port: 0 },
      serverOptions: { noDelay: true },
      socketCreator: (options) => {
        server = createServer(options)
        return server
      }
    })
    return await serve(transport, () => server)
  },
  connect: (port) =>
    dial(new TcpClientTransport({ connectionOptions: { host: '127.0.0.1', port: Number(port), noDelay: true } }))
}

const webSocket: Contestant = {
  version: '1.0.0-alpha.3',
  async listen() {
    let server: WebSocketServer | undefined
    const transport = new WebsocketServerTransport({
      host: '127.0.0.1',
      port: 0,
      // Its types know the `ws` of CommonJS, which is the same.
      wsCreator: ((options: SocketOptions) => {
        server = new WebSocketServer(options)
        return server
      }) as unknown as SocketFactory
    })
    return await serve(transport, () => server)
  },
  connect: (port) =>
    dial(
      new WebsocketClientTransport({
        url: `ws://127.0.0.1:${port}`,
        wsCreator: (url) => new WsWebSocket(url, { perMessageDeflate: false }) as unknown as WebSocket
      })
    )
}

export const contestants: Record<string, Contestant> = { 'rsocket-tcp': tcp, 'rsocket-ws': webSocket }

/**
 * rsocket-js 1.0.0-alpha.3, the branch its makers write new code for, over TCP and over WebSocket.
 *
 * TCP without Nagle's algorithm: with it, a single stream makes 1,500 messages a second. Backpressure is request(n),
 * renewed when half of a window was taken; the windows were the best of what was tried.
 */

import * as core from 'rsocket-core'
import { TcpClientTransport } from 'rsocket-tcp-client'
import { TcpServerTransport } from 'rsocket-tcp-server'
import { WebsocketClientTransport } from 'rsocket-websocket-client'
import { WebsocketServerTransport } from 'rsocket-websocket-server'
import { WebSocket as WsWebSocket } from 'ws'
import { freePort } from '../../../examples/free-port.ts'
import type { Contestant } from '../../harness/contest/contestant.ts'
import { type ClientSide, type Contestants, each } from '../contestant.ts'
import { ringOf } from '../messages.ts'
import { renewing, sendByCredit, windowOf } from './rsocket-credit.ts'

type Subscriber = core.OnNextSubscriber & core.OnTerminalSubscriber & core.OnExtensionSubscriber

const version = '1.0.0-alpha.3'
const nothing = Buffer.alloc(0)
const onExtension = (): void => {}
const ignore = { cancel() {}, onExtension }

const responder: Partial<core.RSocket> = {
  requestResponse(payload, requester) {
    requester.onNext(payload, true)
    return ignore
  },
  requestStream(payload, initialRequestN, requester) {
    const plan = JSON.parse(String(payload.data))
    const request = sendByCredit(plan, 0, (data, isLast) => requester.onNext({ data }, isLast))
    // The stream is not open before this returns.
    queueMicrotask(() => request(initialRequestN))
    return { ...ignore, request }
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

/** Takes the messages of the stream that `open` opens, and asks for more of them. Resolves at its end. */
function received(
  messageBytes: number,
  take: (message: Buffer) => void,
  open: (window: number, subscriber: Subscriber) => { request(n: number): void }
): Promise<void> {
  return new Promise((resolve, reject) => {
    const window = windowOf(messageBytes)
    const renew = renewing(window, (n) => stream.request(n))
    const stream = open(window, {
      onNext({ data }, isComplete) {
        take(data ?? nothing)
        if (isComplete) resolve()
        else renew()
      },
      onComplete: resolve,
      onError: reject,
      onExtension
    })
  })
}

function clientSide(rsocket: core.RSocket): ClientSide {
  return {
    request: (data) =>
      new Promise((resolve, reject) => {
        rsocket.requestResponse({ data: data as Buffer } satisfies core.Payload, {
          onNext: (payload) => resolve(payload.data ?? nothing),
          onError: reject,
          onComplete: () => resolve(nothing),
          onExtension
        })
      }),
    serverStreams: each((plan, take) => {
      const data = Buffer.from(JSON.stringify(plan))
      return received(plan.bytes, take, (window, subscriber) => rsocket.requestStream({ data }, window, subscriber))
    }),
    echoStreams: each((plan, take) =>
      received(plan.bytes, take, (window, subscriber) => {
        const request = sendByCredit(plan, 1, (data, isLast) => channel.onNext({ data }, isLast))
        const first = { data: ringOf(plan.bytes).at(plan.first) }
        const channel = rsocket.requestChannel(first, window, plan.count === 1, { ...subscriber, request, cancel() {} })
        return channel
      })
    )
  }
}

/** A port that is chosen beforehand: a transport does not tell which one it got. */
async function serve(transportOn: (port: number) => core.ServerTransport): Promise<string> {
  const port = await freePort()
  await new core.RSocketServer({ transport: transportOn(port), acceptor: { accept: async () => responder } }).bind()
  return String(port)
}

async function dial(transport: core.ClientTransport): Promise<ClientSide> {
  const setup = { keepAlive: 60_000, lifetime: 600_000 }
  return clientSide(await new core.RSocketConnector({ setup, transport }).connect())
}

const host = '127.0.0.1'

const tcp: Contestant<ClientSide> = {
  version,
  listen: () =>
    serve((port) => new TcpServerTransport({ listenOptions: { host, port }, serverOptions: { noDelay: true } })),
  connect: (port) => dial(new TcpClientTransport({ connectionOptions: { host, port: Number(port), noDelay: true } }))
}

const webSocket: Contestant<ClientSide> = {
  version,
  listen: () => serve((port) => new WebsocketServerTransport({ host, port })),
  async connect(port) {
    const wsCreator = (url: string) => new WsWebSocket(url, { perMessageDeflate: false }) as unknown as WebSocket
    return await dial(new WebsocketClientTransport({ url: `ws://${host}:${port}`, wsCreator }))
  }
}

export const contestants: Contestants = { 'rsocket-tcp': tcp, 'rsocket-ws': webSocket }

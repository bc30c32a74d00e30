/**
 * rsocket-js 0.0.27, which is what `npm install` gives, over TCP without Nagle's algorithm.
 *
 * It holds requests in a Map where 1.0.0-alpha.3 lists all of them for each new one; its streams are slower. It ships
 * no types: what is used of it is declared here.
 */

import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { ClientSide, Contestant, ServerSide, StreamPlan } from '../contestant.ts'
import { ringOf } from '../messages.ts'
import { windowOf } from './rsocket-window.ts'

interface Payload {
  readonly data: Uint8Array | null
}

interface Subscription {
  request(n: number): void
  cancel(): void
}

interface Subscriber {
  onSubscribe?(subscription: Subscription): void
  onNext?(payload: Payload): void
  onComplete?(): void
  onError?(error: Error): void
}

interface Flowable {
  subscribe(subscriber: Subscriber): void
}

interface Responder {
  requestResponse(payload: Payload): unknown
  requestStream(payload: Payload): Flowable
  requestChannel(payloads: Flowable): Flowable
}

interface Requester {
  requestResponse(payload: Payload): {
    subscribe(subscriber: { onComplete(payload: Payload): void; onError(error: Error): void }): void
  }
  requestStream(payload: Payload): Flowable
  requestChannel(payloads: Flowable): Flowable
  close(): void
}

interface Core {
  readonly RSocketServer: new (config: object) => { start(): void; stop(): void }
  readonly RSocketClient: new (config: object) => { connect(): PromiseLike<Requester> }
  readonly BufferEncoders: object
}

interface Flowables {
  readonly Flowable: new (source: (subscriber: Required<Subscriber>) => void) => Flowable
  readonly Single: { of(payload: Payload): unknown }
}

interface Transport {
  readonly default: new (options: object, encoders: object) => object
}

const require = createRequire(import.meta.url)
const { BufferEncoders, RSocketClient, RSocketServer } = require('rsocket-core-0') as Core
const { Flowable, Single } = require('rsocket-flowable-0') as Flowables
const { default: TcpClient } = require('rsocket-tcp-client-0') as Transport
const { default: TcpServer } = require('rsocket-tcp-server-0') as Transport
const { version } = require('rsocket-core-0/package.json') as { version: string }

const nothing = Buffer.alloc(0)

const responder: Responder = {
  requestResponse: (payload) => Single.of(payload),
  requestStream: ({ data }) => messagesOf(JSON.parse(String(data))),
  requestChannel: (payloads) => payloads
}

/** What is planned, as far as the subscriber asks for it. */
function messagesOf({ bytes, count, first }: StreamPlan): Flowable {
  const ring = ringOf(bytes)
  return new Flowable((subscriber) => {
    let credit = 0
    let sent = 0
    let isSending = false
    const request = (n: number): void => {
      credit += n
      // Whoever takes a message may ask for more within the call.
      if (isSending) return
      isSending = true
      while (credit > 0 && sent < count) {
        credit--
        subscriber.onNext({ data: ring.at(first + sent++) })
      }
      isSending = false
      if (sent === count) subscriber.onComplete()
    }
    subscriber.onSubscribe({ request, cancel() {} })
  })
}

function consumed(flowable: Flowable, messageBytes: number, take: (message: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const window = windowOf(messageBytes)
    const renewal = Math.ceil(window / 2)
    let taken = 0
    let subscription: Subscription | undefined
    flowable.subscribe({
      onSubscribe(given) {
        subscription = given
        given.request(window)
      },
      onNext({ data }) {
        take(data ?? nothing)
        if (++taken % renewal === 0) subscription?.request(renewal)
      },
      onComplete: resolve,
      onError: reject
    })
  })
}

async function listen(): Promise<ServerSide> {
  let server: Server | undefined
  const serverFactory = (onConnection: (socket: Socket) => void): Server => {
    server = createServer({ noDelay: true }, onConnection)
    return server
  }
  const transport = new TcpServer({ host: '127.0.0.1', port: 0, serverFactory }, BufferEncoders)
  const rsocket = new RSocketServer({ transport, getRequestHandler: () => responder })
  rsocket.start()
  const started = server as unknown as Server
  if (!started.listening) await once(started, 'listening')
  return { address: String((started.address() as AddressInfo).port), close: () => rsocket.stop() }
}

async function connect(port: string): Promise<ClientSide> {
  const type = 'application/octet-stream'
  const client = new RSocketClient({
    setup: { keepAlive: 60_000, lifetime: 600_000, dataMimeType: type, metadataMimeType: type },
    transport: new TcpClient({ host: '127.0.0.1', port: Number(port), noDelay: true }, BufferEncoders)
  })
  const rsocket = await client.connect()
  return {
    request: (data) =>
      new Promise((resolve, reject) => {
        rsocket.requestResponse({ data }).subscribe({
          onComplete: (payload) => resolve(payload.data ?? nothing),
          onError: reject
        })
      }),
    async serverStreams(plans, take) {
      const consume = (plan: StreamPlan, i: number) => {
        const stream = rsocket.requestStream({ data: Buffer.from(JSON.stringify(plan)) })
        return consumed(stream, plan.bytes, (message) => take(i, message))
      }
      await Promise.all(plans.map(consume))
    },
    async echoStreams(plans, take) {
      const converse = (plan: StreamPlan, i: number) =>
        consumed(rsocket.requestChannel(messagesOf(plan)), plan.bytes, (message) => take(i, message))
      await Promise.all(plans.map(converse))
    },
    close: () => rsocket.close()
  }
}

export const contestants: Record<string, Contestant> = { 'rsocket-tcp-0': { version, listen, connect } }

/**
 * rsocket-js 0.0.27, which is what `npm install` gives, over TCP without Nagle's algorithm.
 *
 * It holds requests in a Map where 1.0.0-alpha.3 lists all of them for each new one; its streams are slower. It ships
 * no types: what it is given and gives is declared here.
 */

import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { versionOf } from '../../harness/contest/contestant.ts'
import { type ClientSide, type Contestants, each, type StreamPlan } from '../contestant.ts'
import { renewing, sendByCredit, windowOf } from './rsocket-credit.ts'

interface Payload {
  readonly data: Uint8Array | null
}

interface Subscriber {
  onSubscribe(subscription: { request(n: number): void; cancel(): void }): void
  onNext(payload: Payload): void
  onComplete(): void
  onError(error: Error): void
}

interface Flowable {
  subscribe(subscriber: Subscriber): void
}

const require = createRequire(import.meta.url)
const { BufferEncoders, RSocketClient, RSocketServer } = require('rsocket-core-0')
const { Flowable, Single } = require('rsocket-flowable-0')
const { default: TcpClient } = require('rsocket-tcp-client-0')
const { default: TcpServer } = require('rsocket-tcp-server-0')

const nothing = Buffer.alloc(0)

const responder = {
  requestResponse: (payload: Payload) => Single.of(payload),
  requestStream: ({ data }: Payload) => messagesOf(JSON.parse(String(data))),
  requestChannel: (payloads: Flowable) => payloads
}

/** What is planned, as far as the subscriber asks for it. */
function messagesOf(plan: StreamPlan): Flowable {
  return new Flowable((subscriber: Subscriber) => {
    const request = sendByCredit(plan, 0, (data, isLast) => {
      subscriber.onNext({ data })
      if (isLast) subscriber.onComplete()
    })
    subscriber.onSubscribe({ request, cancel() {} })
  })
}

function consumed(flowable: Flowable, messageBytes: number, take: (message: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const window = windowOf(messageBytes)
    let request: (n: number) => void = () => {}
    const renew = renewing(window, (n) => request(n))
    flowable.subscribe({
      onSubscribe(subscription) {
        request = (n) => subscription.request(n)
        request(window)
      },
      onNext({ data }) {
        take(data ?? nothing)
        renew()
      },
      onComplete: resolve,
      onError: reject
    })
  })
}

async function listen(): Promise<string> {
  let server: Server | undefined
  const serverFactory = (onConnection: (socket: Socket) => void): Server => {
    server = createServer({ noDelay: true }, onConnection)
    return server
  }
  const transport = new TcpServer({ host: '127.0.0.1', port: 0, serverFactory }, BufferEncoders)
  new RSocketServer({ transport, getRequestHandler: () => responder }).start()
  const started = server as unknown as Server
  if (!started.listening) await once(started, 'listening')
  return String((started.address() as AddressInfo).port)
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
          onComplete: ({ data }: Payload) => resolve(data ?? nothing),
          onError: reject
        })
      }),
    serverStreams: each((plan, take) => {
      return consumed(rsocket.requestStream({ data: Buffer.from(JSON.stringify(plan)) }), plan.bytes, take)
    }),
    echoStreams: each((plan, take) => consumed(rsocket.requestChannel(messagesOf(plan)), plan.bytes, take))
  }
}

export const contestants: Contestants = { 'rsocket-tcp-0': { version: versionOf('rsocket-core-0'), listen, connect } }

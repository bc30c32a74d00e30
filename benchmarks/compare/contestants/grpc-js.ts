/**
 * `@grpc/grpc-js` without protobuf: payloads pass as the Buffers they are, which is the least it can cost. One channel.
 *
 * Streams respect `write()` and `drain` on both ends. Once with all defaults, once with a wide window for flow control:
 * streams get faster, small requests beside them wait.
 */

import type { Writable } from 'node:stream'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { type Contestant, versionOf } from '../../harness/contest/contestant.ts'
import { ended } from '../../harness/http.ts'
import { type ClientSide, type Contestants, each } from '../contestant.ts'
import { writeAll } from '../push.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const serializers = {
  ...{ requestSerialize: asIs, requestDeserialize: asIs },
  ...{ responseSerialize: asIs, responseDeserialize: asIs }
}
const service: grpc.ServiceDefinition = {
  echo: { path: '/bench/echo', requestStream: false, responseStream: false, ...serializers },
  push: { path: '/bench/push', requestStream: false, responseStream: true, ...serializers },
  echoStream: { path: '/bench/echoStream', requestStream: true, responseStream: true, ...serializers }
}

async function listen(options: grpc.ChannelOptions): Promise<string> {
  const server = new grpc.Server(options)
  server.addService(service, {
    echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) =>
      callback(null, call.request),
    push: (call: grpc.ServerWritableStream<Buffer, Buffer>) =>
      writeAll(call as unknown as Writable, JSON.parse(call.request.toString())),
    echoStream: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.pipe(call as unknown as Writable)
    }
  })
  const bind = promisify(server.bindAsync.bind(server))
  const port = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure())
  return `127.0.0.1:${port}`
}

/** What the generic client makes of `service`; its own type knows no names. */
interface EchoClient {
  echo(payload: Uint8Array, done: (error: Error | null, answer?: Buffer) => void): void
  push(plan: Buffer): grpc.ClientReadableStream<Buffer>
  echoStream(): grpc.ClientDuplexStream<Buffer, Buffer>
  waitForReady(deadline: number, done: (error?: Error) => void): void
}

async function connect(address: string, options: grpc.ChannelOptions): Promise<ClientSide> {
  const Client = grpc.makeGenericClientConstructor(service, 'bench')
  const client = new Client(address, grpc.credentials.createInsecure(), options) as unknown as EchoClient
  await promisify(client.waitForReady.bind(client))(Date.now() + 5_000)
  return {
    request: (payload) =>
      new Promise((resolve, reject) => {
        client.echo(payload, (error, answer) => (answer === undefined ? reject(error) : resolve(answer)))
      }),
    serverStreams: each((plan, take) => ended(client.push(Buffer.from(JSON.stringify(plan))), take)),
    echoStreams: each((plan, take) => {
      const stream = client.echoStream()
      writeAll(stream as unknown as Writable, plan)
      return ended(stream, take)
    })
  }
}

function make(options: grpc.ChannelOptions): Contestant<ClientSide> {
  const version = versionOf('@grpc/grpc-js')
  return { version, listen: () => listen(options), connect: (address) => connect(address, options) }
}

export const contestants: Contestants = {
  'grpc-js': make({}),
  'grpc-js-wide': make({ 'grpc-node.flow_control_window': 4 * 1024 * 1024 })
}

/**
 * Locks over `@grpc/grpc-js`, with protobuf as its users have it: one channel, default options.
 *
 * Messages are encoded and decoded by the code that protobufjs generates for them, without the conversions from and to
 * plain objects that `@grpc/proto-loader` adds; that favours it.
 */

import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import type { LockArgs, LockReply } from '../../../lib/extras/locks/definitions.ts'
import { type Contestants, versionOf } from '../../harness/contest/contestant.ts'
import type { LockSide } from '../drive.ts'
import { openTable } from '../open-table.ts'

const { root } = protobuf.parse(`
  syntax = "proto3";
  message LockArgs {
    string uid = 1;
    repeated string resources = 2;
    string owner = 3;
    string source = 4;
    optional uint32 quorum = 5;
  }
  message LockReply {
    bool granted = 1;
    uint32 ttl_ms = 2;
    optional string held_by = 3;
  }
  message Nothing {}
`)

function codecOf(name: string) {
  const type = root.lookupType(name)
  return {
    serialize: (value: object) => type.encode(value).finish() as Buffer,
    deserialize: (bytes: Buffer): object => type.decode(bytes)
  }
}

function method(name: string, response: string) {
  const [args, reply] = [codecOf('LockArgs'), codecOf(response)]
  return {
    ...{ path: `/locks.Locks/${name}`, requestStream: false, responseStream: false },
    ...{ requestSerialize: args.serialize, requestDeserialize: args.deserialize },
    ...{ responseSerialize: reply.serialize, responseDeserialize: reply.deserialize }
  } as const
}

const service: grpc.ServiceDefinition = { rlock: method('rlock', 'LockReply'), runlock: method('runlock', 'Nothing') }

/** A handler that answers at once, with what `act` returns or throws. */
function handler<Reply>(act: (args: LockArgs) => Reply) {
  return ({ request }: grpc.ServerUnaryCall<LockArgs, Reply>, callback: grpc.sendUnaryData<Reply>): void => {
    let reply: Reply
    try {
      reply = act(request)
    } catch (error) {
      callback({ code: grpc.status.FAILED_PRECONDITION, details: (error as Error).message })
      return
    }
    callback(null, reply)
  }
}

async function listen(): Promise<string> {
  const table = openTable()
  const server = new grpc.Server()
  server.addService(service, {
    rlock: handler((args) => table.lock('read', args)),
    runlock: handler((args) => {
      table.unlock('read', args)
      return {}
    })
  })
  const bind = promisify(server.bindAsync.bind(server))
  const port = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure())
  return `127.0.0.1:${port}`
}

type Unary<Reply> = (args: LockArgs, done: (error: Error | null, reply?: Reply) => void) => void

/** What the generic client makes of `service`; its own type knows no names. */
interface LocksClient {
  readonly rlock: Unary<LockReply>
  readonly runlock: Unary<object>
  waitForReady(deadline: number, done: (error?: Error) => void): void
}

async function connect(address: string): Promise<LockSide> {
  const Client = grpc.makeGenericClientConstructor(service, 'Locks')
  const client = new Client(address, grpc.credentials.createInsecure()) as unknown as LocksClient
  await promisify(client.waitForReady.bind(client))(Date.now() + 5_000)
  const [rlock, runlock] = [promised(client.rlock.bind(client)), promised(client.runlock.bind(client))]
  return { owner: 'http://client:1', rlock, runlock }
}

function promised<Reply>(call: Unary<Reply>): (args: LockArgs) => Promise<Reply> {
  return (args) =>
    new Promise((resolve, reject) => {
      call(args, (error, reply) => (reply === undefined ? reject(error) : resolve(reply)))
    })
}

export const contestants: Contestants<LockSide> = {
  'grpc-js': { version: versionOf('@grpc/grpc-js'), listen, connect }
}

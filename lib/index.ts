/**
 * it-grid: requests and streams between servers over exactly one two-way WebSocket per pair.
 *
 * @example
 *
 * ```ts
 * import { createServer } from 'node:http'
 * import { Manager, sharedSecret, single } from 'it-grid'
 *
 * const hello = single<{ name: string }, string>('hello')
 * const hosts = ['http://node-1:9000', 'http://node-2:9000']
 *
 * const server = createServer().listen(9000)
 * const grid = new Manager({ local: 'http://node-1:9000', hosts, auth: sharedSecret(process.env.SECRET ?? '') })
 * grid.handle(hello, ({ name }, context) => `hello ${name}, says ${grid.local} to ${context.remote.host}`)
 * grid.attach(server)
 *
 * const peer = grid.connection('http://node-2:9000')
 * await peer.waitForConnect()
 * console.log(await peer.request(hello, { name: 'Ada' }, { timeout: 1000 }))
 * ```
 */

export {
  type Auth,
  type AuthContext,
  type Identity,
  insecure,
  type Secret,
  type Secrets,
  sharedSecret
} from './auth.ts'
export type { CallOptions } from './call-options.ts'
export type { CallArguments, Callable } from './calls.ts'
export { bytes, msgpack, none } from './codecs.ts'
export type { Conn, ConnDialer, DialOptions } from './conn.ts'
export type { Connection } from './connection.ts'
export type { ConnectionEvents, ConnectionState, StateChange } from './connection-state.ts'
export type {
  Codec,
  HandlerContext,
  Metadata,
  MetadataValue,
  Remote,
  Requests,
  Responses,
  SingleDefinition,
  SingleHandler,
  StreamingDefinition,
  StreamingHandler
} from './definition.ts'
export { connectDuplex, type DuplexConnect, type DuplexConnOptions, duplexConn } from './duplex.ts'
export {
  CancelledError,
  ClosedError,
  CodecError,
  DeadlineError,
  type Delivery,
  DialError,
  DisconnectedError,
  type DisconnectReason,
  FlowControlError,
  GridError,
  HandlerExistsError,
  HandshakeError,
  InvalidOptionError,
  MessageTooLargeError,
  ProtocolError,
  RejectedError,
  type RejectReason,
  RemoteError,
  ShutdownError,
  StreamResetError,
  UnknownHandlerError,
  UnknownHostError,
  ValidationError
} from './errors.ts'
export type { GridStream, RequestSink, StreamEnd } from './grid-stream.ts'
export { canonicalHost, dialerOf } from './hosts.ts'
export { json } from './json.ts'
export { type Logger, silentLogger } from './logger.ts'
export { Manager } from './manager.ts'
export type { CloseOptions, HandleOptions, ManagerOptions } from './manager-options.ts'
export { type MemoryConn, type MemoryLink, type MemoryPairOptions, memoryPair } from './memory.ts'
export { type CertificateClaims, type MutualTLSOptions, mutualTLS } from './mutual-tls.ts'
export {
  defaultKeepAlive,
  defaultLimits,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  type ReconnectOptions
} from './options.ts'
export type { Schema } from './schema.ts'
export type { Producer } from './sink.ts'
export type { ConnectionStats, ManagerStats, SessionCounts, SessionStats, SessionTotals } from './stats.ts'
export { type Field, field, type Infer, type Struct, tuple } from './tuple.ts'
export { type SingleOptions, type StreamingOptions, single, streaming } from './typed.ts'
export { connectWS, type WebSocketConnInit, type WebSocketOptions, webSocketConn } from './websocket.ts'

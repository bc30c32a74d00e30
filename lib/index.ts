/**
 * it-grid: requests and streams between servers over exactly one two-way WebSocket per pair.
 *
 * @example
 *
 * ```ts
 * import { once } from 'node:events'
 * import { createServer } from 'node:http'
 * import { Manager, sharedSecret, single } from 'it-grid'
 *
 * const hello = single<{ name: string }, string>('hello')
 * const hosts = ['http://node-1:9000', 'http://node-2:9000']
 *
 * const server = createServer().listen(9000)
 * await once(server, 'listening')
 * const auth = sharedSecret('the same on all: 16 random bytes or more')
 * const grid = new Manager({ local: 'http://node-1:9000', hosts, auth })
 * grid.handle(hello, ({ name }, context) => `hello ${name}, says ${grid.local} to ${context.remote.host}`)
 * grid.attach(server)
 *
 * const peer = grid.connection('http://node-2:9000')
 * await peer.waitForConnect()
 * console.log(await peer.request(hello, { name: 'Ada' }, { timeout: 1000 }))
 * ```
 */

export type { Identity, Remote } from './base/remote.ts'
export type { CallArguments, Callable } from './call/callable.ts'
export type { GridStream, RequestSink, StreamOf } from './call/grid-stream.ts'
export type { CallOptions } from './call/options.ts'
export { pipe } from './call/pipe.ts'
export type { StreamEnd } from './call/stream-call.ts'
export { bytes, msgpack, none } from './codec/builtin.ts'
export type { Codec } from './codec/codec.ts'
export { json } from './codec/json.ts'
export type { Metadata, MetadataValue } from './codec/metadata.ts'
export type { Schema } from './codec/schema.ts'
export { type Field, field, type Infer, type Struct, tuple } from './codec/tuple.ts'
export type { Conn, ConnDialer, DialOptions } from './conn/conn.ts'
export { connectDuplex, type DuplexConnect } from './conn/connect-duplex.ts'
export { connectWS, type WebSocketOptions } from './conn/connect-ws.ts'
export { type DuplexConnOptions, duplexConn } from './conn/duplex.ts'
export { type MemoryConn, type MemoryLink, type MemoryPairOptions, memoryPair } from './conn/memory.ts'
export { type WebSocketConnInit, webSocketConn } from './conn/websocket.ts'
export type { Connection } from './connection/connection.ts'
export type { ConnectionEvents, ConnectionState, Peer, StateChange } from './connection/state.ts'
export {
  type AnyContract,
  type Calls,
  type Contract,
  contract,
  type Definitions,
  type HandlersOf
} from './contract/contract.ts'
export {
  CancelledError,
  ClosedError,
  CodecError,
  DeadlineError,
  type Delivery,
  DialError,
  DisconnectedError,
  type DisconnectReason,
  DrainingError,
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
  UnknownHostError
} from './errors/errors.ts'
export { type LogFields, type Logger, silentLogger } from './errors/logger.ts'
export {
  defaultKeepAlive,
  defaultLimits,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  type ReconnectOptions
} from './errors/options.ts'
export { type Answer, QuorumError } from './errors/quorum-error.ts'
export { ValidationError } from './errors/validation-error.ts'
export type {
  AnyDefinition,
  AnySingle,
  AnyStreaming,
  PayloadOf,
  RequestOf,
  ResponseOf,
  SingleDefinition,
  StreamingDefinition
} from './handler/definition.ts'
export { type SingleOptions, type StreamingOptions, single, streaming } from './handler/definition.ts'
export type {
  HandlerOf,
  Requests,
  Responses,
  SingleHandler,
  StreamingHandler
} from './handler/handler.ts'
export type { HandlerInfo } from './handler/info.ts'
export type { CallerCall, CallInfo, HandlerCall, HandlerContext, Kind } from './hooks/call-info.ts'
export { type CallMessage, type CallOutcome, channels } from './hooks/channels.ts'
export type {
  CallChanges,
  CallerInterceptor,
  HandlerInterceptor,
  Interceptor,
  NoChanges,
  StreamingPart
} from './hooks/interceptor.ts'
export {
  type CallerReport,
  type CallersOptions,
  type CallRecord,
  type EventsOptions,
  type HostReport,
  introspection,
  type StatsChange,
  type TraceOptions,
  type WatchOptions
} from './introspection/introspection.ts'
export type { Health } from './manager/health.ts'
export { Manager } from './manager/manager.ts'
export type { AllOptions } from './many/ask-all.ts'
export type { AnyAnswer, AnyOptions } from './many/ask-any.ts'
export type { Quorum, QuorumOptions } from './many/ask-quorum.ts'
export { type AttemptOptions, type RetryOptions, retries, retry } from './many/retry.ts'
export { dialGuest, type Guest, type GuestOptions } from './network/guest.ts'
export type { GuestLimits, GuestsOptions } from './network/guest-options.ts'
export type {
  CloseOptions,
  HandleOptions,
  InterceptorsOptions,
  ManagerOptions,
  PeerCount,
  PeerSelection,
  PeersWaitOptions,
  UnhandleOptions
} from './network/options.ts'
export type { PeersCallOptions } from './network/selection.ts'
export { type Auth, type AuthContext, insecure, type Secret, type Secrets, sharedSecret } from './peer/auth.ts'
export { canonicalHost, dialerOf, serverName } from './peer/hosts.ts'
export { type CertificateClaims, type MutualTLSOptions, mutualTLS } from './peer/mutual-tls.ts'
export { type Many, many } from './producer/many.ts'
export type { Producer } from './producer/producer.ts'
export type { EventChannel } from './report/event-channels.ts'
export type {
  CloseEvent,
  ConnectionEvent,
  DialEvent,
  FailedCalls,
  GoAwayEvent,
  GridEvent,
  HelloEvent,
  MistakeEvent,
  RefusedEvent,
  ResetEvent,
  RttEvent,
  SlowTurnEvent,
  StateEvent
} from './report/events.ts'
export type {
  CallFigures,
  ConnectionStats,
  ConnectionWaits,
  DialStats,
  HandlerName,
  HandlerStats,
  Histogram,
  ManagerStats,
  SessionCounts,
  SessionStats,
  SessionTotals,
  Waits
} from './report/stats.ts'
export type { HalfInfo, Room, StreamInfo, StreamsOptions } from './report/stream-info.ts'
export { authorize, type Rule } from './rules/authorize.ts'
export { type RateLimitOptions, rateLimit } from './rules/rate-limit.ts'
export type { Messages } from './stream/source.ts'

/**
 * What every contestant of the comparison is: a server side and a client side of the same few workloads.
 *
 * Each side runs in a process of its own that runs no other contestant. How long, how often and how it is checked is
 * not theirs to know: they carry messages.
 */

/** One stream of a round; it goes to the server as plain data. */
export interface StreamPlan {
  /** Bytes of each message. */
  readonly bytes: number
  readonly count: number
  /** Index of the first message in the ring of its size, so that no two streams of a round carry the same. */
  readonly first: number
}

/** Takes what arrived on the stream with that index: one whole message, or any piece if `streamsBytes`. */
export type TakeMessage = (stream: number, message: Uint8Array) => void

/** The far end of a connection. */
export interface ServerSide {
  /** Where the client connects to. */
  readonly address: string
  close(): Promise<void> | void
}

/** The near end, connected. A contestant leaves out what it has no means for, and its row says why. */
export interface ClientSide {
  /** One payload there and back. Resolves with what came back. */
  request?(payload: Uint8Array): Promise<Uint8Array>
  /** The server sends what is planned, on all streams at once. Resolves once all of them ended. */
  serverStreams?(plans: readonly StreamPlan[], take: TakeMessage): Promise<void>
  /** The client sends what is planned while the conn takes it, and the server sends it back in order. */
  echoStreams?(plans: readonly StreamPlan[], take: TakeMessage): Promise<void>
  /** Something of its own, which it checks itself. Rejects with `WrongAnswer`. */
  operate?(): Promise<void>
  close(): Promise<void> | void
}

export interface Contestant {
  /** Of the package that is measured, where it has one of its own. */
  readonly version?: string
  /** Its streams keep the order of bytes, but not where a message ends. */
  readonly streamsBytes?: boolean
  listen(): Promise<ServerSide>
  connect(address: string): Promise<ClientSide>
}

/** What the file of a contestant exports: one or several by their ids. */
export interface ContestantModule {
  readonly contestants: Readonly<Record<string, Contestant>>
}

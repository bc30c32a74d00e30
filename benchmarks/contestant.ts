/** What every contestant of the comparison is: a server side and a client side of the same few workloads. */

/** The far end of a connection; runs in a process of its own. */
export interface ServerSide {
  /** Where the client connects to. */
  readonly address: string
  close(): Promise<void>
}

/** The near end, connected. */
export interface ClientSide {
  /** One payload there and back. Resolves with what came back. */
  request(payload: Uint8Array): Promise<Uint8Array>
  /** `count` messages of `bytes` bytes from the server; calls `onMessage` with each. */
  stream(count: number, bytes: number, onMessage: (message: Uint8Array) => void): Promise<void>
  close(): Promise<void>
}

export interface Contestant {
  readonly name: string
  listen(): Promise<ServerSide>
  connect(address: string): Promise<ClientSide>
}

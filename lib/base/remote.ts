/** Facts about the server at the other end: who it is, and what it is ready to take. Types, and the names of the limits. */

/** What a verified proof says of the peer. */
export interface Identity {
  /** The session is ended gracefully at this moment, ms since the epoch. Default: never. */
  readonly expiresAt?: number
  /** Anything a handler may want to know of the peer, as `context.remote.identity`. */
  readonly claims?: unknown
}

/** The server at the other end of a conn, as the handshake proved it. */
export interface Remote {
  /** Canonical host name. */
  readonly host: string
  /** New at each start of the remote server, in hex. */
  readonly instance: string
  /** What its `Auth` said of it. */
  readonly identity: Identity
  /** The address of the conn, for logs. */
  readonly address: string
}

export const limitNames = [
  'maxMessageBytes',
  'streamWindowBytes',
  'maxFragments',
  'maxInboundStreams',
  'maxHandlers',
  'maxNameBytes',
  'maxMetadataBytes'
] as const

/** What the other end is ready to take from us. The meaning of each is at `Limits` in `options.ts`. */
export type RemoteLimits = Record<(typeof limitNames)[number], number>

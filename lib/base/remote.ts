/** Facts about the server at the other end: its identity, and what it accepts. Types, and the names of the limits. */

/** What a verified proof says of the peer. */
export interface Identity {
  /** The session is ended gracefully at this moment, ms since the epoch. Default: never. */
  readonly expiresAt?: number
  /** Anything a handler may want to know of the peer, as `context.remote.identity`. */
  readonly claims?: unknown
}

/** The server at the other end of a conn, as proved by the handshake. */
export interface Remote {
  /** Canonical host name, or `guest:` and the name of a guest. */
  readonly host: string
  /** A server of the grid, or a guest: a program that is in no list of hosts. */
  readonly role: 'host' | 'guest'
  /** New at each start of the remote server, in hex. */
  readonly instance: string
  /** The `id` of the session, the same at both ends. */
  readonly session: string
  /** What `auth.verify` returned for it. */
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

/** What the other end accepts from us. `Limits` in `options.ts` explains each. */
export type RemoteLimits = Record<(typeof limitNames)[number], number>

/**
 * The words of the wire: frame types, flags and codes, with their numbers. No logic.
 *
 * Each member's sentence is that of docs/protocol.md; `frame-writer.ts` and `frame-reader.ts` turn frames into bytes and back.
 */

/** Low four bits of a frame's first byte. docs/protocol.md, section "Frames". */
export const FrameType = {
  /** Opens a stream at a handler and carries the first message, its payload. */
  open: 1,
  /** Carries one message of an open stream, or a fragment of one, or the end of a half. */
  data: 2,
  /** Grants the remote end more messages and bytes on one stream. */
  credit: 3,
  /** Ends one stream, or one half of it, at once. */
  reset: 4,
  /** Asks for a pong with the same token. */
  ping: 5,
  /** Answers a ping. */
  pong: 6,
  /** Advertises handlers of the sender. */
  handlers: 7,
  /** Announces that the sender opens and accepts no more streams on this conn. */
  goAway: 8
} as const

/** High four bits of a frame's first byte. docs/protocol.md, section "Frames". */
export const Flag = {
  /** The sender's half of the stream ends with this frame. */
  end: 0x10,
  /** The message, or the handler table, goes on in a later frame. */
  more: 0x20,
  /** On data: the payload is an error in msgpack, not a message. Only with `end`. */
  error: 0x40,
  /** On open: metadata precedes the payload. */
  metadata: 0x80,
  /** On data: there is no message at all, only the end. Only with `end`. */
  bare: 0x80,
  /** On go-away: how long running calls may take precedes the text. Only for a peer that understands `goAwayGrace`. */
  grace: 0x80,
  /** On handlers: changes of entries in place of entries. Only for a peer that understands `handlerChanges`. */
  changes: 0x80,
  /** On handlers: each entry ends with its fingerprint. Only for a peer that understands `fingerprints`. */
  fingerprints: 0x40
} as const

/** The flags that each frame type may carry, by type number. */
export const allowedFlags: readonly number[] = [
  0,
  Flag.end | Flag.more | Flag.metadata,
  Flag.end | Flag.more | Flag.error | Flag.bare,
  0,
  0,
  0,
  0,
  Flag.more | Flag.changes | Flag.fingerprints,
  Flag.grace
]

/** Why a stream was reset. docs/protocol.md, section "Reset codes". */
export const ResetCode = {
  /** From the responder only: it takes no more requests. The responses go on; nothing failed. */
  stop: 0,
  /** The initiator no longer wants the answer. */
  cancelled: 1,
  /** The deadline of the call has passed. */
  deadline: 2,
  /** Refused before the handler ran: no handler has this index. */
  unknownHandler: 3,
  /** Refused before the handler ran: too many streams are open. */
  tooManyStreams: 4,
  /** Refused before the handler ran: the sender is going away. */
  goingAway: 5,
  /** More was sent than the window allows. */
  flowControl: 6,
  /** A frame broke a rule of this stream, such as data after the end. */
  streamProtocol: 7,
  /** A message is larger than the receiver accepts, or has too many fragments. */
  messageTooLarge: 8,
  /** The sender of the reset could not go on, for a reason of its own. */
  internal: 9,
  /** The sender of the reset is shutting down and its grace is over. */
  shutdown: 10,
  /** Refused before the handler ran: the sender is not ready to serve calls, and will not be. */
  busy: 11
} as const

/** Why a conn ends, in a go-away frame. docs/protocol.md, section "Close codes". */
export const CloseCode = {
  shutdown: 0,
  protocol: 1,
  checksum: 2,
  flood: 3,
  slow: 4,
  keepAlive: 5,
  replaced: 6,
  expired: 7,
  hostRemoved: 8,
  internal: 9
} as const

/** The kind of a handler in a handler table. */
export const HandlerKind = { single: 0, streaming: 1 } as const

/** One entry of a handler table. Its index is its place in the order of advertisement, from 0. */
export interface HandlerEntry {
  readonly kind: number
  /** Requests that the initiator may send ahead of the handler; 0 where the handler takes none. */
  readonly inCapacity: number
  /** Responses that the responder may send ahead of the consumer. */
  readonly outCapacity: number
  readonly subroute: string
  readonly id: string
  /** In hex: the same where both ends mean the same by the bytes of its messages. Undefined where that is not known. */
  readonly fingerprint?: string
}

/** The frames, as a discriminated union: what a decoder that favours clarity yields. */
export type Frame =
  | {
      type: typeof FrameType.open
      flags: number
      streamId: number
      handler: number
      timeoutMs: number
      metadata: Uint8Array | undefined
      payload: Uint8Array
    }
  | { type: typeof FrameType.data; flags: number; streamId: number; payload: Uint8Array }
  | { type: typeof FrameType.credit; flags: 0; streamId: number; messages: number; bytes: number }
  | { type: typeof FrameType.reset; flags: 0; streamId: number; code: number; text: string }
  | { type: typeof FrameType.ping | typeof FrameType.pong; flags: 0; token: number }
  | {
      type: typeof FrameType.handlers
      flags: number
      entries: HandlerEntry[]
      /** With the flag `changes`: twice the index of each handler, plus 1 where it is offered again. */
      changes?: number[] | undefined
    }
  | {
      type: typeof FrameType.goAway
      flags: number
      code: number
      lastStreamId: number
      graceMs: number | undefined
      text: string
    }

/** Bytes of text in a reset or go-away frame; longer texts are cut by the sender and refused by the receiver. */
export const maxTextBytes = 1024
/** Bytes of the fingerprint of a handler; a longer one closes the conn. */
export const maxFingerprintBytes = 32
/** Bytes of the checksum that precedes the frames of a batch, where one was negotiated. */
export const checksumBytes = 4

/**
 * Credit arithmetic, and nothing else: no promise, no timer, no I/O.
 *
 * A window has two dimensions. Messages are what a handler declares; bytes bound memory. A message may be sent while
 * both are above zero, so that the byte window may be overdrawn by one message. docs/protocol.md, section "Windows".
 */

import { FlowControlError, ProtocolError } from './errors.ts'

/** The largest credit a side may hold; beyond it the peer has lost count. */
export const maxCredit = 2 ** 31 - 1

/** What the remote end allows this side to send on one stream. */
export class SendWindow {
  #messages: number
  #bytes: number

  constructor(messages: number, bytes: number) {
    this.#messages = messages
    this.#bytes = bytes
  }

  get canSend(): boolean {
    return this.#messages > 0 && this.#bytes > 0
  }

  /** Accounts for one message that is about to be sent. */
  take(bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
  }

  /**
   * The remote end granted credit.
   *
   * @throws {ProtocolError} on a grant of nothing, or one that raises the credit beyond 2^31-1
   */
  add(messages: number, bytes: number): void {
    if (messages === 0 && bytes === 0) throw new ProtocolError('a credit of nothing')
    this.#messages += messages
    this.#bytes += bytes
    if (this.#messages > maxCredit || this.#bytes > maxCredit) throw new ProtocolError('a credit beyond 2^31-1')
  }
}

/** What this side allows the remote end to send on one stream, and what its consumer has taken since the last grant. */
export class ReceiveWindow {
  readonly #capacityMessages: number
  readonly #capacityBytes: number
  #messages: number
  #bytes: number
  #takenMessages = 0
  #takenBytes = 0

  constructor(capacityMessages: number, capacityBytes: number) {
    this.#capacityMessages = this.#messages = capacityMessages
    this.#capacityBytes = this.#bytes = capacityBytes
  }

  /**
   * A message begins to arrive.
   *
   * @throws {FlowControlError} when the remote end had no credit for it
   */
  begin(): void {
    if (this.#messages <= 0) {
      throw new FlowControlError(`more messages than the window of ${this.#capacityMessages} allows`)
    }
    if (this.#bytes <= 0) throw new FlowControlError(`more bytes than the window of ${this.#capacityBytes} allows`)
    this.#messages--
  }

  /** Bytes of the message that has begun have arrived. */
  receive(bytes: number): void {
    this.#bytes -= bytes
  }

  /**
   * The consumer took a message. Returns whether a grant is due: when half the window can be given back at once, or
   * when the remote end has run dry, so that batching grants never stalls a waiting consumer.
   */
  take(bytes: number): boolean {
    this.#takenMessages++
    this.#takenBytes += bytes
    return (
      this.#messages <= 0 ||
      this.#bytes <= 0 ||
      this.#takenMessages * 2 >= this.#capacityMessages ||
      this.#takenBytes * 2 >= this.#capacityBytes
    )
  }

  /** Hands out what was taken as credit, all of it; zeros when there is none. */
  grant(into: { messages: number; bytes: number }): void {
    into.messages = this.#takenMessages
    into.bytes = this.#takenBytes
    this.#messages += this.#takenMessages
    this.#bytes += this.#takenBytes
    this.#takenMessages = 0
    this.#takenBytes = 0
  }
}

/**
 * Credit arithmetic, and nothing else: no promise, no timer, no I/O. docs/protocol.md, section "Windows".
 *
 * A window has two dimensions. Messages are what a handler declares; bytes bound memory. A message may begin while both
 * are above zero, and each further fragment of it may follow while the bytes are. A message larger than the window gets
 * through because the receiver *lends*: it grants bytes of a message that is still arriving, and not again when the
 * message is taken.
 *
 * With a window of W bytes, messages of at most M and fragments of at most F, no more than max(W, M) + F bytes wait at a
 * receiver. What is not lent came on the window, which is overdrawn by less than a fragment: below W + F. Lent are bytes
 * of one message only, the oldest, since nothing is lent while a whole one waits; and never more than M - W + 1 of them,
 * since the window carries the rest.
 *
 * Nobody waits for ever. By what has arrived, a sender that waits has run dry, so every take grants. Once no whole
 * message waits, all that was taken is granted and all that may be lent is lent: of a message that is still arriving at
 * least one more byte may come, and a next message may begin.
 */

import { FlowControlError, ProtocolError } from '../base/errors.ts'

/** The largest credit a side may hold; beyond it the peer has lost count. */
export const maxCredit = 2 ** 31 - 1

/** What the remote end allows this side to send on one stream. */
export class SendWindow {
  #messages: number
  /** What is left once the message that has begun is written, all of it. */
  #bytes: number
  /** Bytes of the message that has begun and that are not written yet. */
  #unwritten = 0

  constructor(messages: number, bytes: number) {
    this.#messages = messages
    this.#bytes = bytes
  }

  /** The next message may begin. */
  get canSend(): boolean {
    return this.#messages > 0 && this.#bytes > 0
  }

  /** The message that has begun must wait before its next fragment. */
  get isBlocked(): boolean {
    return this.#unwritten > 0 && this.#bytes + this.#unwritten <= 0
  }

  /** A message of so many bytes begins. */
  take(bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
    this.#unwritten = bytes
  }

  /** So many bytes were written. What was not taken from the window, as the payload of a call, passes by. */
  write(bytes: number): void {
    if (this.#unwritten > 0) this.#unwritten -= bytes
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
    const isBeyond = this.#messages > maxCredit || this.#bytes + this.#unwritten > maxCredit
    if (isBeyond) throw new ProtocolError('a credit beyond 2^31-1')
  }
}

/** What this side allows the remote end to send on one stream, and what it can grant since the last grant. */
export class ReceiveWindow {
  readonly #capacityMessages: number
  readonly #capacityBytes: number
  readonly #maxLentBytes: number
  #messages: number
  #bytes: number
  #takenMessages = 0
  #takenBytes = 0
  /** Whole messages that the consumer has not taken. */
  #unread = 0
  /** Bytes that have arrived of a message that is not whole. */
  #arrivedBytes = 0
  /** Bytes that are lent of the oldest message that is not taken. */
  #lentBytes = 0
  #isGrantDue = false

  /** @param maxMessageBytes what one message may have: a larger one is refused, so that none need be lent for it */
  constructor(capacityMessages: number, capacityBytes: number, maxMessageBytes = maxCredit) {
    this.#capacityMessages = this.#messages = capacityMessages
    this.#capacityBytes = this.#bytes = capacityBytes
    this.#maxLentBytes = Math.max(0, maxMessageBytes - capacityBytes + 1)
  }

  /**
   * A message begins to arrive.
   *
   * @throws {FlowControlError} when the remote end had no credit for a message
   */
  begin(): void {
    if (this.#messages <= 0) {
      throw new FlowControlError(`more messages than the window of ${this.#capacityMessages} allows`)
    }
    this.#messages--
  }

  /**
   * A fragment of the message that has begun arrived, with `more` to follow, or the last one. Returns whether a grant is
   * due now: the bytes of a message that is still arriving are lent, so that one larger than the window gets through.
   *
   * @throws {FlowControlError} when the remote end had no bytes left
   */
  receive(bytes: number, more = false): boolean {
    if (this.#bytes <= 0) throw new FlowControlError(`more bytes than the window of ${this.#capacityBytes} allows`)
    this.#bytes -= bytes
    if (!more) {
      this.#unread++
      this.#arrivedBytes = 0
      return false
    }
    this.#arrivedBytes += bytes
    // Who has something to read gets no more: else a consumer that takes nothing would be sent a message after another.
    if (this.#unread > 0) return false
    return this.#isNowDue(this.#bytes <= 0 || (this.#takenBytes + this.#lendableBytes()) * 2 >= this.#capacityBytes)
  }

  /**
   * The consumer took a message. Returns whether a grant is due now: when half the window can be given back at once, or
   * when the remote end has run dry, so that batching grants never stalls a waiting consumer.
   */
  take(bytes: number): boolean {
    this.#unread--
    this.#takenMessages++
    this.#takenBytes += bytes - this.#lentBytes
    this.#lentBytes = 0
    return this.#isNowDue(
      this.#messages <= 0 ||
        this.#bytes <= 0 ||
        this.#takenMessages * 2 >= this.#capacityMessages ||
        this.#takenBytes * 2 >= this.#capacityBytes
    )
  }

  /** Hands out what was taken as credit, all of it, and what can be lent. Returns false when nothing is due. */
  grant(into: { messages: number; bytes: number }): boolean {
    if (!this.#isGrantDue) return false
    this.#isGrantDue = false
    const lent = this.#lendableBytes()
    into.messages = this.#takenMessages
    into.bytes = this.#takenBytes + lent
    this.#messages += into.messages
    this.#bytes += into.bytes
    this.#lentBytes += lent
    this.#takenMessages = 0
    this.#takenBytes = 0
    // A message that was to be lent for may have become whole meanwhile.
    return into.messages > 0 || into.bytes > 0
  }

  /** True once for each grant. */
  #isNowDue(due: boolean): boolean {
    if (!due || this.#isGrantDue) return false
    this.#isGrantDue = true
    return true
  }

  #lendableBytes(): number {
    return this.#unread > 0 ? 0 : Math.min(this.#arrivedBytes, this.#maxLentBytes) - this.#lentBytes
  }
}

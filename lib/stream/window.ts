/**
 * The arithmetic of credit: no promise, no timer, no I/O. docs/protocol.md, section "Windows".
 *
 * A window has two dimensions. Messages are what a handler declares; bytes bound memory. A message may begin while both are
 * above zero. Each further fragment of it may follow while the bytes are above zero. A message larger than the window
 * passes because the receiver *lends*: it grants bytes of a message that is still arriving, and not again when it is taken.
 *
 * With a window of W bytes, messages of at most M and fragments of at most F, no more than max(W, M) + F bytes wait at a
 * receiver. Bytes that are not lent are within the window, which is overdrawn by less than a fragment: below W + F. Only
 * bytes of the oldest message are lent, since nothing is lent while a whole message waits, and at most M - W + 1 of them,
 * since the window covers the rest. A receiver *widens* the window of a consumer that keeps up: that of bytes to M at most, so
 * that the same bound holds, and that of messages where the handler has declared none.
 *
 * No sender waits for ever. A sender that waits has used up its credit, so each take grants. Once no whole message waits,
 * everything taken is granted and everything that may be lent is lent. Then at least one more byte of an arriving message
 * may follow, or the next message may begin.
 */

import { FlowControlError, ProtocolError } from '../errors/errors.ts'
import { defaultCapacity } from '../errors/options.ts'
import type { HalfInfo } from '../report/stream-info.ts'
import type { StreamLimits } from './port.ts'

/** For people. */
type WindowInfo = Required<Pick<HalfInfo, 'totalMessages' | 'room' | 'capacity' | 'unread'>>

/** The largest credit that a side may hold. Beyond it the peer has counted wrong. */
export const maxCredit = 2 ** 31 - 1

/**
 * A window of bytes is widened to so many times its size. With 256 KiB two processes that stream messages of 64 KiB wait for each
 * other; with 512 KiB less, for a third more messages and fewer grants. Wider ones gained nothing more: they leave the caches.
 */
const maxWidening = 2
/**
 * Messages that a consumer which keeps up is sent ahead, where the handler declares no capacity. With 512 B each they fill the
 * window of bytes. One stream of those has 2.6 times the rate of a window that stays at 128, and 3.1 times by `batches`.
 */
export const maxDefaultCapacity = 8 * defaultCapacity
/** Grants in a row. A consumer may have nothing left to take once by chance. */
const grantsToKeepUp = 2

/** What the remote end allows this side to send on one stream. */
export class SendWindow {
  /** As it was at first, or wider where the receiver has widened it. */
  #capacityMessages: number
  #capacityBytes: number
  #sent = 0
  #messages: number
  /** Bytes left after the current message is written completely. */
  #bytes: number
  /** Bytes of the current message that are not written yet. */
  #unwritten = 0

  constructor(messages: number, bytes: number) {
    this.#capacityMessages = this.#messages = messages
    this.#capacityBytes = this.#bytes = bytes
  }

  /** The next message may begin. */
  get canSend(): boolean {
    return this.#messages > 0 && this.#bytes > 0
  }

  describe(): WindowInfo {
    const [room, capacity] = [
      { messages: this.#messages, bytes: this.#bytes },
      { messages: this.#capacityMessages, bytes: this.#capacityBytes }
    ]
    const unread = { messages: capacity.messages - room.messages, bytes: capacity.bytes - room.bytes }
    return { totalMessages: this.#sent, room, capacity, unread }
  }

  /** The current message must wait before its next fragment. */
  get isBlocked(): boolean {
    return this.#unwritten > 0 && this.#bytes + this.#unwritten <= 0
  }

  /** A message of `bytes` bytes begins. */
  take(bytes: number): void {
    this.#sent++
    this.#messages--
    this.#bytes -= bytes
    this.#unwritten = bytes
  }

  /** `bytes` bytes were written. The payload of a call does not count: it was not taken from the window. */
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
    if (this.#bytes > this.#capacityBytes) this.#capacityBytes = this.#bytes
    if (this.#messages > this.#capacityMessages) this.#capacityMessages = this.#messages
    const isBeyond = this.#messages > maxCredit || this.#bytes + this.#unwritten > maxCredit
    if (isBeyond) throw new ProtocolError('a credit beyond 2^31-1')
  }
}

/** What this side allows the remote end to send on one stream, and what it can grant next. */
export class ReceiveWindow {
  #capacityMessages: number
  #capacityBytes: number
  readonly #maxMessageBytes: number
  #messages: number
  #bytes: number
  #takenMessages = 0
  #takenBytes = 0
  /** Whole messages that have arrived, and those of them that the consumer has not taken. */
  #received = 0
  #unread = 0
  /** Bytes that have arrived of an incomplete message. */
  #arrivedBytes = 0
  /** Bytes lent of the oldest message that is not taken. */
  #lentBytes = 0
  #isGrantDue = false
  /** Since the last grant the consumer has had nothing left to take. */
  #caughtUp = false
  /** Grants in a row that were due for bytes, and those that were for messages, when that was so. */
  #bytesKeptUp = 0
  #messagesKeptUp = 0
  /** In bytes. */
  #isWide = false
  /** The handler has declared a capacity: no consumer has more than that ahead of it. */
  readonly #isDeclared: boolean

  /** @param maxMessageBytes larger messages are refused, so nothing is lent for them, and so wide a window is as good as any */
  constructor(capacityMessages: number, capacityBytes: number, maxMessageBytes = maxCredit) {
    this.#capacityMessages = this.#messages = capacityMessages
    this.#capacityBytes = this.#bytes = capacityBytes
    this.#maxMessageBytes = maxMessageBytes
    this.#isDeclared = capacityMessages !== defaultCapacity
  }

  get unreadMessages(): number {
    return this.#unread
  }

  /** What has arrived and was not taken has the parts of a message, too. */
  describe(): WindowInfo {
    const unreadBytes = this.#capacityBytes + this.#lentBytes - this.#bytes - this.#takenBytes
    return {
      totalMessages: this.#received,
      room: { messages: this.#messages, bytes: this.#bytes },
      capacity: { messages: this.#capacityMessages, bytes: this.#capacityBytes },
      unread: { messages: this.#unread, bytes: Math.max(0, unreadBytes) }
    }
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
   * A fragment of the current message arrived, the last one unless `more` follow. Returns whether a grant is due now: bytes
   * of an arriving message are lent, so that a message larger than the window passes.
   *
   * @throws {FlowControlError} when the remote end had no bytes left
   */
  receive(bytes: number, more = false): boolean {
    if (this.#bytes <= 0) throw new FlowControlError(`more bytes than the window of ${this.#capacityBytes} allows`)
    this.#bytes -= bytes
    if (!more) {
      this.#received++
      this.#unread++
      this.#arrivedBytes = 0
      return false
    }
    this.#arrivedBytes += bytes
    // Nothing is lent while a whole message waits: else a consumer that takes none would be sent one after the other.
    if (this.#unread > 0) return false
    return this.#isNowDue(this.#bytes <= 0 || (this.#takenBytes + this.#lendableBytes()) * 2 >= this.#capacityBytes)
  }

  /**
   * The consumer took so many messages, of so many bytes in all. Returns whether a grant is due now: when half the window can
   * be granted at once, or when the remote end has no credit left, so that batching grants never stalls a waiting consumer.
   * That grant has more for a consumer that keeps up, unless a `crowd` is there.
   */
  take(bytes: number, messages = 1, crowd?: Pick<StreamLimits, 'isCrowded'>): boolean {
    this.#unread -= messages
    // Who takes all that waits at once, and finds a full window each time, is late.
    if (this.#unread === 0 && (messages === 1 || (this.#messages > 0 && this.#bytes > 0))) this.#caughtUp = true
    this.#takenMessages += messages
    this.#takenBytes += bytes - this.#lentBytes
    const isLarge = this.#lentBytes > 0
    this.#lentBytes = 0
    const isForBytes = this.#bytes <= 0 || this.#takenBytes * 2 >= this.#capacityBytes
    const isForMessages = this.#messages <= 0 || this.#takenMessages * 2 >= this.#capacityMessages
    const isDue = this.#isNowDue(isForBytes || isForMessages)
    if (isDue) this.#judge(isForBytes && !isLarge, isForMessages, crowd?.isCrowded() !== true)
    return isDue
  }

  /** Grants everything that was taken and can be lent. Returns false when no grant is due. */
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
    // A message to lend for may have become whole meanwhile.
    return into.messages > 0 || into.bytes > 0
  }

  /**
   * A consumer keeps up if it has taken all that arrived, between two grants and again until the next. Not for bytes where
   * messages are larger than the window: lending keeps those coming, and small calls would wait behind twice as much of them.
   */
  #judge(forBytes: boolean, forMessages: boolean, mayWiden: boolean): void {
    const caughtUp = this.#caughtUp
    this.#caughtUp = false
    if (forBytes) {
      this.#bytesKeptUp = caughtUp ? this.#bytesKeptUp + 1 : 0
      if (mayWiden && this.#bytesKeptUp >= grantsToKeepUp) this.#widenBytes()
    }
    if (forMessages) {
      this.#messagesKeptUp = caughtUp ? this.#messagesKeptUp + 1 : 0
      if (mayWiden && this.#messagesKeptUp >= grantsToKeepUp) this.#widenMessages()
    }
  }

  /** Once. */
  #widenBytes(): void {
    if (this.#isWide) return
    const narrowBytes = this.#capacityBytes
    this.#isWide = true
    this.#capacityBytes = Math.max(narrowBytes, Math.min(narrowBytes * maxWidening, this.#maxMessageBytes))
    this.#takenBytes += this.#capacityBytes - narrowBytes
  }

  /** Again and again. */
  #widenMessages(): void {
    if (this.#isDeclared || this.#capacityMessages >= maxDefaultCapacity) return
    this.#takenMessages += this.#capacityMessages
    this.#capacityMessages *= 2
  }

  /** Returns true once for each grant. */
  #isNowDue(due: boolean): boolean {
    if (!due || this.#isGrantDue) return false
    this.#isGrantDue = true
    return true
  }

  #lendableBytes(): number {
    if (this.#unread > 0) return 0
    const maxLentBytes = Math.max(0, this.#maxMessageBytes - this.#capacityBytes + 1)
    return Math.min(this.#arrivedBytes, maxLentBytes) - this.#lentBytes
  }
}

/**
 * A sender and a receiver of one half of a stream, and a network between them that delivers in order, but whenever it
 * likes. It keeps accounts of its own, as naive as can be, and holds the windows to them.
 */

import assert from 'node:assert/strict'
import { ReceiveWindow, SendWindow } from '../../lib/stream/window.ts'

export interface PairSizes {
  readonly messages: number
  readonly bytes: number
  readonly maxMessageBytes: number
  readonly fragmentBytes: number
}

interface Fragment {
  readonly bytes: number
  readonly isFirst: boolean
  /** The bytes of the whole message, on its last fragment. */
  readonly whole: number | undefined
}

export class WindowPair {
  delivered = 0
  /** Bytes at the receiver that the consumer has not taken. */
  held = 0
  readonly #sizes: PairSizes
  readonly #send: SendWindow
  readonly #receive: ReceiveWindow
  /** The message that is being sent. */
  #slot: { readonly bytes: number; written: number } | undefined
  readonly #fragments: Fragment[] = []
  readonly #credits: { messages: number; bytes: number }[] = []
  readonly #queue: number[] = []
  #isGrantDue = false
  /** Sent and not granted back, by what the sender has heard. */
  readonly #outstanding = { messages: 0, bytes: 0 }

  constructor(sizes: PairSizes) {
    this.#sizes = sizes
    this.#send = new SendWindow(sizes.messages, sizes.bytes)
    this.#receive = new ReceiveWindow(sizes.messages, sizes.bytes, sizes.maxMessageBytes)
  }

  /** Whole messages that wait for the consumer. */
  get waiting(): number {
    return this.#queue.length
  }

  get isBlocked(): boolean {
    return this.#send.isBlocked
  }

  /** A message goes into the slot, if it is empty and there is credit. */
  begin(bytes: number): boolean {
    if (this.#slot !== undefined || !this.#send.canSend) return false
    this.#send.take(bytes)
    this.#outstanding.messages++
    this.#slot = { bytes, written: 0 }
    return true
  }

  /** One fragment is sent, if there is credit. */
  write(): boolean {
    if (this.#slot === undefined || this.#send.isBlocked) return false
    this.writeAnyway()
    return true
  }

  /** One fragment is sent. */
  writeAnyway(): void {
    const slot = this.#slot
    if (slot === undefined) throw new Error('no message is being sent')
    const bytes = Math.min(this.#sizes.fragmentBytes, slot.bytes - slot.written)
    const isFirst = slot.written === 0
    slot.written += bytes
    const isLast = slot.written === slot.bytes
    this.#send.write(bytes)
    this.#outstanding.bytes += bytes
    this.#fragments.push({ bytes, isFirst, whole: isLast ? slot.bytes : undefined })
    if (isLast) this.#slot = undefined
  }

  /** One fragment arrives; throws when the receiver counts otherwise than the sender. */
  deliver(): boolean {
    const fragment = this.#fragments.shift()
    if (fragment === undefined) return false
    const { bytes, isFirst, whole } = fragment
    if (isFirst) this.#receive.begin()
    if (this.#receive.receive(bytes, whole === undefined)) this.#isGrantDue = true
    this.held += bytes
    if (whole !== undefined) this.#queue.push(whole)
    return true
  }

  /** The consumer takes a message. */
  take(): boolean {
    const bytes = this.#queue.shift()
    if (bytes === undefined) return false
    this.delivered++
    this.held -= bytes
    if (this.#receive.take(bytes)) this.#isGrantDue = true
    return true
  }

  /** The receiver writes the grant that is due. */
  writeCredit(): boolean {
    if (!this.#isGrantDue) return false
    this.#isGrantDue = false
    const credit = { messages: 0, bytes: 0 }
    if (this.#receive.grant(credit)) this.#credits.push(credit)
    return true
  }

  readCredit(): boolean {
    const credit = this.#credits.shift()
    if (credit === undefined) return false
    this.#send.add(credit.messages, credit.bytes)
    this.#outstanding.messages -= credit.messages
    this.#outstanding.bytes -= credit.bytes
    return true
  }

  /** All that is under way arrives, and the sender goes on as far as it may with the message that it has begun. */
  settle(): void {
    let moved = true
    while (moved) {
      moved = this.write()
      for (const step of [this.deliver, this.writeCredit, this.readCredit]) {
        while (step.call(this)) moved = true
        this.check()
      }
    }
  }

  check(): void {
    const { bytes: window, maxMessageBytes, fragmentBytes } = this.#sizes
    const { messages, bytes } = this.#outstanding
    assert.ok(messages <= this.#sizes.messages, `${messages} messages of ${this.#sizes.messages} are outstanding`)
    assert.ok(bytes < window + fragmentBytes, `${bytes} bytes of ${window} are outstanding`)
    // A window is widened to twice its size, and no further than to the largest message.
    const widest = Math.max(window, Math.min(2 * window, maxMessageBytes))
    assert.ok(messages >= 0 && bytes >= window - widest, 'more was granted than sent')
    const isAmid = this.#slot !== undefined && this.#slot.written > 0
    assert.equal(this.#send.isBlocked, isAmid && bytes >= window, 'the sender lost count')
    assert.ok(this.held <= Math.max(window, maxMessageBytes) + fragmentBytes, `${this.held} bytes wait`)
    // The consumer waits, nothing is on its way: then somebody can go on.
    const underWay = this.#queue.length + this.#fragments.length + this.#credits.length
    if (underWay > 0 || this.#isGrantDue) return
    assert.ok(this.#slot === undefined ? this.#send.canSend : !this.#send.isBlocked, 'both sides wait for ever')
  }
}

/**
 * Decides what is written next: the sink of the conn pulls batches here, and senders are asked for their frames in turn.
 *
 * Control frames come first, then the senders take turns, one frame each. While the current batch has room, a frame is
 * encoded at once. When it is full, the sender waits for its turn, and so does its source. So only senders queue here, no
 * frames. Does not know what the frames mean.
 */

import { nextTick } from 'node:process'
import { Fifo } from '../base/fifo.ts'
import { batchBytes, batchCostBytes, markBytes } from '../errors/options.ts'
import { afterRound, isRoundDue } from '../time/rounds.ts'
import { FrameWriter } from './frame-writer.ts'

/** Something that has frames to write. Only the outbox writes the two `queued` fields. */
export interface Sender {
  dataQueued: boolean
  controlQueued: boolean
  /** Writes one data frame, if there is one; returns whether there is more to write now. */
  writeData(writer: FrameWriter): boolean
  /** Writes all control frames that are due. */
  writeControl(writer: FrameWriter): void
}

/** A rider waits this long for a batch: a message of the conn of its own would cost bulk a few percent of its rate. */
const riderWaitMs = 5

type Pull = (result: IteratorResult<Uint8Array>) => void

export class Outbox implements AsyncIterableIterator<Uint8Array> {
  readonly writer = new FrameWriter()
  /** Batches given to the conn, and their bytes, for the stats. The handshake does not count, at neither end. */
  batches = 0
  bytes = 0
  /** Called once per `markBytes` of batches, to send a PING: its answer shows that the remote end has read so far. */
  onMark: (() => void) | undefined
  /** Called at the end of a turn, with all that it offered in the batch, and whenever a batch was filled. */
  onTurnEnd: (() => void) | undefined
  /** Whole messages of the handshake among what the conn was given. */
  #messagesGiven = 0
  readonly #data = new Fifo<Sender>()
  readonly #control = new Fifo<Sender>()
  /** Those whose control frames must not be in the batch that is being written. */
  readonly #controlLater = new Fifo<Sender>()
  /** Whole messages before all frames: those of the handshake. */
  readonly #messages = new Fifo<Uint8Array>()
  #pull: Pull | undefined
  #flushScheduled = false
  #onTurnEnded: (() => void) | undefined
  #filling = false
  #markedAtBytes = 0
  /** That of the last batch. */
  #workBytes = 0
  /** Has control frames that go with the next batch. */
  #rider: Sender | undefined
  #riderTimer: NodeJS.Timeout | undefined
  #state: 'open' | 'closing' | 'ended' = 'open'
  readonly #flush = () => this.#onTurnEnd()
  readonly #onRiderTimer = () => {
    this.#riderTimer = undefined
    // It may have ridden along meanwhile.
    if (this.#rider !== undefined) this.offerControl(this.#rider)
  }

  /** @param released how many of the messages that it was given the conn has released, as in `Conn` */
  constructor(released?: () => number) {
    if (released !== undefined) this.writer.released = () => released() - this.#messagesGiven
  }

  /** Data waits, and the conn takes none. */
  get isBlocked(): boolean {
    return this.#pull === undefined && this.#state !== 'ended' && !this.#isEmpty()
  }

  /** Nothing is sent any more: everything was sent, or it was dropped. */
  get isOver(): boolean {
    return this.#state === 'ended'
  }

  /** Waiting senders and bytes, for the stats. */
  get waiting(): { senders: number; bytes: number } {
    const senders = this.#data.length + this.#control.length + this.#controlLater.length
    return { senders, bytes: this.writer.length }
  }

  /** `sender` has a data frame to write. */
  offer(sender: Sender): void {
    if (sender.dataQueued || this.#state !== 'open') return
    if (this.writer.length === 0) this.#begin()
    if (this.#data.length > 0 || this.writer.length >= batchBytes || sender.writeData(this.writer)) this.#queue(sender)
    this.#wake()
  }

  /** `sender` has control frames to write. */
  offerControl(sender: Sender): void {
    // A sender that is writing while it closes may have more than this batch has room for.
    const isOpen = this.#state === 'open' || (this.#state === 'closing' && this.#filling)
    if (sender.controlQueued || !isOpen) return
    if (this.writer.length < batchBytes) {
      sender.writeControl(this.writer)
    } else {
      sender.controlQueued = true
      this.#control.push(sender)
    }
    this.#wake()
  }

  /** `sender` has control frames to write, in the next batch and not in the one that is being written. */
  offerControlLater(sender: Sender): void {
    if (sender.controlQueued || this.#state !== 'open') return
    sender.controlQueued = true
    this.#controlLater.push(sender)
  }

  /** `sender` has control frames to write with the next batch, whatever that is for, or soon without any. */
  offerRider(sender: Sender): void {
    this.#rider = sender
    this.#riderTimer ??= setTimeout(this.#onRiderTimer, riderWaitMs).unref()
  }

  /** Sends one whole message of the conn, before all frames. */
  sendMessage(message: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#messages.push(message)
    this.#wake()
  }

  /** Calls `onTurnEnd` at the end of this turn, even if nothing is offered in it. */
  endTurn(): void {
    if (!this.#filling) this.#schedule()
  }

  /** Resolves when what this turn has offered is sent, as far as the conn takes it. For one waiter. */
  turnEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTurnEnded = resolve
      this.#schedule()
    })
  }

  /** The next batch; done once everything is sent after `close`. */
  next(): Promise<IteratorResult<Uint8Array>> {
    // A conn may take all at once, and a peer grant without end: timers and other conns would have no turn.
    return new Promise(isRoundDue(this.#workBytes) ? this.#hold : this.#wait)
  }

  /** The conn stopped pulling. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.abort()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Takes no more offers; what waits is still sent. */
  close(): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    if (this.#pull !== undefined) this.#deliver()
  }

  /** Ends now: drops what waits. */
  abort(): void {
    this.#state = 'ended'
    this.#data.clear()
    this.#control.clear()
    this.#controlLater.clear()
    this.#messages.clear()
    clearTimeout(this.#riderTimer)
    if (this.writer.length > 0) this.writer.takeBatch()
    this.#finish()
  }

  // One function per outbox, not one closure per batch.
  readonly #wait = (resolve: Pull): void => {
    this.#pull = resolve
    if (this.#messages.length > 0 || this.writer.length >= batchBytes || this.#data.length > 0) this.#deliver()
    else if (this.#state !== 'open') this.#deliver()
    else if (this.#control.length > 0 || this.writer.length > 0) this.#schedule()
  }

  readonly #hold = (resolve: Pull, reject: (error: unknown) => void): void =>
    afterRound(() => {
      // What is thrown there fails this pull, and nobody else who waits for the loop.
      try {
        this.#wait(resolve)
      } catch (error) {
        reject(error)
      }
    })

  #isEmpty(): boolean {
    return this.writer.length === 0 && this.#control.length + this.#data.length + this.#messages.length === 0
  }

  #queue(sender: Sender): void {
    sender.dataQueued = true
    this.#data.push(sender)
  }

  /** A full batch is sent at once, a partial one at the end of this turn, so that it includes what the turn still adds. */
  #wake(): void {
    // While a batch is filled, a sender may offer its next frame: `#deliver` is already running then.
    if (this.#pull === undefined || this.#filling) return
    if (this.writer.length >= batchBytes || this.#messages.length > 0) this.#deliver()
    else if (!this.#flushScheduled && !this.#isEmpty()) this.#schedule()
  }

  #schedule(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    // Nearly all offers come from microtasks. Node runs ticks after all other microtasks, so each await chain of this turn
    // has made its offers by then, without any delay.
    nextTick(this.#flush)
  }

  #onTurnEnd(): void {
    this.#flushScheduled = false
    if (this.#pull !== undefined && !this.#isEmpty()) this.#deliver()
    else this.onTurnEnd?.()
    // The sink of the conn was woken first, so it writes before the waiter continues.
    const onTurnEnded = this.#onTurnEnded
    this.#onTurnEnded = undefined
    onTurnEnded?.()
  }

  /** Gives the next batch, or the end, to the waiting sink. */
  #deliver(): void {
    const message = this.#messages.shift()
    if (message !== undefined) {
      this.#messagesGiven++
      return this.#give(message)
    }
    this.#filling = true
    try {
      this.#begin()
      this.#fill()
    } finally {
      this.#filling = false
    }
    this.onTurnEnd?.()
    if (this.writer.length > 0) {
      const batch = this.writer.takeBatch()
      this.batches++
      this.bytes += batch.length
      this.#workBytes = batch.length + batchCostBytes
      for (let sender = this.#controlLater.shift(); sender !== undefined; sender = this.#controlLater.shift()) {
        this.#control.push(sender)
      }
      return this.#give(batch)
    }
    if (this.#state !== 'open') {
      this.#state = 'ended'
      this.#finish()
    }
  }

  #give(message: Uint8Array): void {
    const pull = this.#pull
    this.#pull = undefined
    // None where what was lost has ended this.
    pull?.({ done: false, value: message })
  }

  #finish(): void {
    this.#pull?.({ done: true, value: undefined })
    this.#pull = undefined
  }

  #mark(): void {
    if (this.bytes - this.#markedAtBytes < markBytes) return
    this.#markedAtBytes = this.bytes
    this.onMark?.()
  }

  /**
   * What goes with this batch, if possible before its data: a message that fills a batch leaves no room behind it, and its
   * receiver copies a payload that is not the last of a batch.
   */
  #begin(): void {
    this.#mark()
    this.#rider?.writeControl(this.writer)
    this.#rider = undefined
  }

  #fill(): void {
    const { writer } = this
    while (this.#control.length > 0 && writer.length < batchBytes) {
      const sender = this.#control.shift() as Sender
      sender.controlQueued = false
      sender.writeControl(writer)
    }
    while (this.#data.length > 0 && writer.length < batchBytes) {
      const sender = this.#data.shift() as Sender
      sender.dataQueued = false
      if (sender.writeData(writer) && !sender.dataQueued) this.#queue(sender)
    }
  }
}

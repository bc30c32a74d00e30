/**
 * What is written next: the conn's sink pulls batches here, and senders are asked in turn for their frames.
 *
 * Control frames come first, then the senders take turns, a frame each. While the current batch has room a sender's
 * frame is encoded at once; when it is full the sender waits for its turn, and with it whatever feeds it. So nothing
 * queues here but the senders themselves. Knows nothing of what the frames mean.
 */

import { nextTick } from 'node:process'
import { Fifo } from '../base/fifo.ts'
import { batchBytes } from '../base/options.ts'
import { FrameWriter } from './frame-writer.ts'

/** Something that has frames to write. The outbox alone writes the two `queued` fields. */
export interface Sender {
  dataQueued: boolean
  controlQueued: boolean
  /** Writes one frame of data, if there is any; returns whether there is more to write now. */
  writeData(writer: FrameWriter): boolean
  /** Writes all control frames that are due. */
  writeControl(writer: FrameWriter): void
}

type Pull = (result: IteratorResult<Uint8Array>) => void

export class Outbox implements AsyncIterableIterator<Uint8Array> {
  readonly writer = new FrameWriter()
  /** Batches and their bytes handed to the conn, for the stats; the handshake is not among them, as at the other end. */
  batches = 0
  bytes = 0
  readonly #data = new Fifo<Sender>()
  readonly #control = new Fifo<Sender>()
  /** Whole messages that precede all frames: the handshake's. */
  readonly #messages = new Fifo<Uint8Array>()
  #pull: Pull | undefined
  #flushScheduled = false
  #onTurnEnded: (() => void) | undefined
  #filling = false
  #stalled = 0
  #batchesAtTick = 0
  #state: 'open' | 'ending' | 'ended' = 'open'
  readonly #flush = () => this.#onTurnEnd()

  /** Asked at a steady beat: how many times in a row something waited and the conn took nothing. */
  stalledTicks(): number {
    const blocked = this.#pull === undefined && this.#state !== 'ended' && !this.#isEmpty()
    this.#stalled = blocked && this.batches === this.#batchesAtTick ? this.#stalled + 1 : 0
    this.#batchesAtTick = this.batches
    return this.#stalled
  }

  /** Nothing is sent any more: all that was offered has been, or it was dropped. */
  get isOver(): boolean {
    return this.#state === 'ended'
  }

  /** Senders that wait with control frames. */
  get waitingControl(): number {
    return this.#control.length
  }

  /** Senders and bytes that wait, for the stats. */
  get waiting(): { senders: number; bytes: number } {
    return { senders: this.#data.length + this.#control.length, bytes: this.writer.length }
  }

  /** `sender` has a frame of data to write. */
  offer(sender: Sender): void {
    if (sender.dataQueued || this.#state !== 'open') return
    if (this.#data.length > 0 || this.writer.length >= batchBytes || sender.writeData(this.writer)) this.#queue(sender)
    this.#wake()
  }

  /** `sender` has control frames to write. */
  offerControl(sender: Sender): void {
    if (sender.controlQueued || this.#state !== 'open') return
    if (this.writer.length < batchBytes) {
      sender.writeControl(this.writer)
    } else {
      sender.controlQueued = true
      this.#control.push(sender)
    }
    this.#wake()
  }

  /** Sends one whole message of the conn before any frame. */
  sendMessage(message: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#messages.push(message)
    this.#wake()
  }

  /** Resolves when all that this turn's work has offered is on its way, as far as the conn takes it. For one waiter. */
  turnEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTurnEnded = resolve
      this.#schedule()
    })
  }

  /** The next batch. Resolves as soon as the conn may have it; done after `end` once all is sent. */
  next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve) => {
      this.#pull = resolve
      if (this.#messages.length > 0 || this.writer.length >= batchBytes || this.#data.length > 0) this.#deliver()
      else if (this.#state !== 'open') this.#deliver()
      else if (this.#control.length > 0 || this.writer.length > 0) this.#schedule()
    })
  }

  /** The conn stopped pulling. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.abort()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Nothing more is offered; what waits is still sent. */
  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    if (this.#pull !== undefined) this.#deliver()
  }

  /** Drops what waits. */
  abort(): void {
    this.#state = 'ended'
    this.#data.clear()
    this.#control.clear()
    this.#messages.clear()
    if (this.writer.length > 0) this.writer.takeBatch()
    this.#finish()
  }

  #isEmpty(): boolean {
    return this.writer.length === 0 && this.#control.length + this.#data.length + this.#messages.length === 0
  }

  #queue(sender: Sender): void {
    sender.dataQueued = true
    this.#data.push(sender)
  }

  /** A full batch goes at once; a partial one when this turn's work is done, so that what the turn still adds rides along. */
  #wake(): void {
    // While a batch is filled, a sender may offer its next frame: that batch is delivered by whoever fills it.
    if (this.#pull === undefined || this.#filling) return
    if (this.writer.length >= batchBytes || this.#messages.length > 0) this.#deliver()
    else if (!this.#flushScheduled && !this.#isEmpty()) this.#schedule()
  }

  #schedule(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    // From a microtask, where nearly all offers come from, Node runs ticks after all other microtasks: every await chain of
    // this turn has offered what it had, and nobody waited.
    nextTick(this.#flush)
  }

  #onTurnEnd(): void {
    this.#flushScheduled = false
    if (this.#pull !== undefined && !this.#isEmpty()) this.#deliver()
    // The conn's sink has been called by its promise: it writes before the waiter goes on.
    const onTurnEnded = this.#onTurnEnded
    this.#onTurnEnded = undefined
    onTurnEnded?.()
  }

  /** Gives the waiting sink its next batch, or the end. */
  #deliver(): void {
    const message = this.#messages.shift()
    if (message !== undefined) return this.#give(message)
    this.#filling = true
    try {
      this.#fill()
    } finally {
      this.#filling = false
    }
    if (this.writer.length > 0) {
      const batch = this.writer.takeBatch()
      this.batches++
      this.bytes += batch.length
      return this.#give(batch)
    }
    if (this.#state !== 'open') {
      this.#state = 'ended'
      this.#finish()
    }
  }

  #give(message: Uint8Array): void {
    const pull = this.#pull as Pull
    this.#pull = undefined
    pull({ done: false, value: message })
  }

  #finish(): void {
    this.#pull?.({ done: true, value: undefined })
    this.#pull = undefined
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

/**
 * One stream of a session: its state, its one slot for an outgoing message, its fragments, its end.
 *
 * A single request and a two-way stream are the same here. They differ in what receives (`Receiver`) and in what fills the
 * slot (`Sink`). A stream writes its own frames when the outbox asks. It knows neither handlers nor values.
 */

import { byteLengthOf } from '../base/bytes.ts'
import { memoryGone } from '../codec/payload.ts'
import { decodeRemoteError, encodeRemoteError } from '../codec/remote-error.ts'
import { CodecError, type Delivery, ProtocolError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import { fragmentBytes } from '../errors/options.ts'
import { Flag, FrameType, ResetCode } from '../wire/frame.ts'
import type { FrameReader } from '../wire/frame-reader.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import type { Sender } from '../wire/outbox.ts'
import { Assembly, readMessage } from './assembly.ts'
import type { DeadlineList, Timed } from './deadlines.ts'
import { writeOpen } from './open.ts'
import type { OpenRequest, Receiver, StreamOwner, StreamPort } from './port.ts'
import { endBroken, handlerEnded, toResetFailure } from './reset.ts'
import type { Sink, SinkPort } from './sink.ts'
import type { SourcePort } from './source.ts'
import { afterReceiveEnd, afterSendEnd, canReceive, canSend, type StreamState } from './state.ts'
import type { ReceiveWindow, SendWindow } from './window.ts'

/** Filled in by `grant` of a window, and read at once. */
const credit = { messages: 0, bytes: 0 }
const noPayload = new Uint8Array(0)

export class Stream implements Sender, Timed, SinkPort, SourcePort {
  /** 0 until the open frame is written: ids rise in the order of the open frames. */
  id: number
  readonly initiator: boolean
  state: StreamState
  /** Each half is one message, with the end in the same frame. */
  isSingle = false
  owner: StreamOwner | undefined
  receiver: Receiver | undefined
  sink: Pick<Sink<unknown>, 'pump' | 'stop'> | undefined
  sendWindow: SendWindow | undefined
  receiveWindow: ReceiveWindow | undefined
  dataQueued = false
  controlQueued = false
  deadlineMs = 0
  /** When it began, in ticks, and payload bytes since, each way; errors are none. */
  startTicks = 0
  bytesIn = 0
  bytesOut = 0
  deadlines: DeadlineList | undefined
  timedBefore: Timed | undefined
  timedAfter: Timed | undefined
  readonly port: StreamPort<Stream>
  #open: OpenRequest | undefined
  #message: Uint8Array | undefined
  #messageBytes = 0
  #offset = 0
  /** The first message was written, to its last fragment. */
  #isPayloadSent = false
  #messageFlags = 0
  /** What follows the message in the slot: the end of the half, or an error. */
  #next: { readonly payload: Uint8Array; readonly flags: number } | undefined
  #resetDue: { readonly code: number; readonly text: string } | undefined
  #assembly: Assembly | undefined
  /** The responder told the initiator to stop: requests still in flight are dropped. */
  #stopped = false

  /** @param id the stream id if the remote end opened the stream, 0 if this end is about to */
  constructor(port: StreamPort<Stream>, id: number, open: OpenRequest | undefined) {
    this.port = port
    this.id = id
    this.initiator = open !== undefined
    this.#open = open
    this.state = open === undefined ? 'open' : 'opening'
  }

  /** Whether the remote handler may have run by now: not before its payload was sent, all of it. None where it runs here. */
  get delivery(): Delivery | undefined {
    if (!this.initiator) return undefined
    return this.#isPayloadSent ? 'maybeRan' : 'notSent'
  }

  get canTake(): boolean {
    return this.#message === undefined && canSend(this.state)
  }

  /** Puts a message into the slot, or after the one in it. Does not ask for credit: the sink has done that. */
  sendMessage(payload: Uint8Array, flags = 0, bytes = byteLengthOf(payload)): void {
    if (!canSend(this.state)) return
    // An error needs no credit: it replaces a message that waits for credit between its fragments.
    const passes = (flags & Flag.error) !== 0 && this.sendWindow?.isBlocked === true
    if (this.#message !== undefined && !passes) {
      this.#next = { payload, flags }
      return
    }
    this.#setMessage(payload, flags, bytes)
    this.port.offer(this)
  }

  sendEnd(): void {
    this.sendMessage(noPayload, Flag.end | Flag.bare)
  }

  onDeadline(timeoutMs: number): void {
    this.owner?.onDeadline(timeoutMs)
  }

  messagesTaken(count: number, bytes: number): void {
    const isGrantDue = this.receiveWindow?.take(bytes, count, this.port.limits) === true
    if (isGrantDue && canReceive(this.state)) this.port.offerControl(this)
  }

  /** The responder takes no more requests; its responses go on. */
  stopRequests(): void {
    if (!canReceive(this.state)) return
    this.#stopped = true
    this.#assembly = undefined
    this.receiver?.onAbort(handlerEnded)
    this.#sendReset(ResetCode.stop, '')
    this.#enter(afterReceiveEnd(this.state))
  }

  /** Ends the stream now. Tells the remote end, unless the stream was never opened there. */
  abort(failure: Failure, code: number, text: string): void {
    if (this.state === 'closed') return
    if (this.#open === undefined) this.#sendReset(code, text)
    this.fail(failure)
  }

  /** Ends the stream now without a frame: the conn is gone, or the remote end reset it. */
  fail(failure: Failure): void {
    if (this.state === 'closed') return
    this.receiver?.onAbort(failure)
    this.state = 'closed'
    this.#closed(failure)
  }

  writeData(writer: FrameWriter): boolean {
    const message = this.#message
    if (message === undefined) return false
    const bytes = this.#messageBytes
    // Its memory is the user's, who may have given it away since.
    if (byteLengthOf(message) < bytes) return this.#onMessageGone(writer)
    if (bytes - this.#offset > fragmentBytes) return this.#writeFragment(writer, message)
    this.#write(writer, this.#messageFlags, message, bytes)
    this.#message = undefined
    this.#isPayloadSent = true
    if ((this.#messageFlags & Flag.end) !== 0) this.#afterSendEnd()
    else this.#sendNext()
    return false
  }

  writeControl(writer: FrameWriter): void {
    const isGranted = canReceive(this.state) && this.receiveWindow?.grant(credit) === true
    if (isGranted) writer.credit(this.id, credit.messages, credit.bytes)
    if (this.#resetDue !== undefined) writer.reset(this.id, this.#resetDue.code, this.#resetDue.text)
    this.#resetDue = undefined
    if (this.state === 'closed') this.port.onLateControl(this)
  }

  /** A data frame arrived, or an open frame with its payload. What is rare is apart: V8 optimises only so much as one. */
  onData(reader: FrameReader): void {
    // On an open frame the bit of `bare` means metadata.
    const flags = reader.type === FrameType.open ? reader.flags & ~Flag.metadata : reader.flags
    try {
      if (canReceive(this.state) && (flags & (Flag.bare | Flag.error)) === 0) this.#onPayload(reader, flags)
      else this.#onOther(reader, flags)
    } catch (error) {
      endBroken(this, error)
    }
  }

  #onOther(reader: FrameReader, flags: number): void {
    if (canReceive(this.state)) return (flags & Flag.bare) !== 0 ? this.#onBareEnd() : this.#onErrorPayload(reader)
    // Requests that were in flight when this side said stop are dropped.
    if (!this.#stopped) throw new ProtocolError('data after the end of the half')
    this.port.counter.ignoreFrame()
  }

  /** A credit frame arrived. */
  onCredit(messages: number, bytes: number): void {
    if (this.sendWindow === undefined || !canSend(this.state)) return this.port.counter.ignoreFrame()
    this.sendWindow.add(messages, bytes)
    if (this.#message === undefined) this.sink?.pump()
    // The message may have waited for this between its fragments. A stream that waits for its turn is not offered twice.
    else if (!this.sendWindow.isBlocked) this.port.offer(this)
  }

  /** A reset frame arrived. A `stop` says nothing of a single stream. */
  onReset(code: number, text: string): void {
    if (code === ResetCode.stop && this.initiator) {
      this.sink?.stop()
      if (canSend(this.state) && !this.isSingle) {
        this.#message = this.#next = undefined
        this.#afterSendEnd()
      }
      return
    }
    this.port.counter.onReset(this, code, 'inbound')
    const failure = toResetFailure(code, text, this)
    if (this.owner?.takesBack?.(failure.reason) === true) this.receiver = undefined
    this.fail(failure)
  }

  #onPayload(reader: FrameReader, flags: number): void {
    const more = (flags & Flag.more) !== 0
    if (this.#assembly === undefined) this.receiveWindow?.begin()
    const isGrantDue = this.receiveWindow?.receive(reader.payloadLength, more) === true
    this.bytesIn += reader.payloadLength
    if (more) return this.#onFragment(reader, isGrantDue)
    const inPlace = this.receiver?.readsInPlace === true
    const payload = this.#assembly?.complete(reader) ?? readMessage(reader, this.port.limits, inPlace)
    this.#assembly = undefined
    const isEnd = (flags & Flag.end) !== 0
    if (this.isSingle && !isEnd) throw new ProtocolError('a single message without the end')
    // First the state: a handler that answers at once must find the half of the requests ended.
    const closes = isEnd && this.state === 'half-closed-local'
    if (isEnd) this.state = afterReceiveEnd(this.state)
    this.receiver?.onMessage(payload, isEnd)
    if (closes) this.#closed(undefined)
  }

  #onFragment(reader: FrameReader, isGrantDue: boolean): void {
    this.#assembly ??= new Assembly(this.port.limits)
    this.#assembly.add(reader)
    if (isGrantDue) this.port.offerControl(this)
  }

  #onErrorPayload(reader: FrameReader): void {
    // Requests carry no errors: an initiator that fails resets the stream.
    if (!this.initiator) throw new ProtocolError('an error payload from the initiator')
    const error = decodeRemoteError(reader.viewPayload(), !this.isSingle)
    this.port.counter.onRejected(this, error)
    this.receiver?.onRemoteError(error)
    // It has its end, and still delivers the messages from before the error.
    this.receiver = undefined
    this.fail({ reason: error })
  }

  #onBareEnd(): void {
    if (this.#assembly !== undefined) throw new ProtocolError('the end of a half amid the fragments of a message')
    this.receiver?.onEnd()
    this.#enter(afterReceiveEnd(this.state))
  }

  /** The message in the slot cannot be sent, or no more of it: the call fails. */
  #onMessageGone(writer: FrameWriter): boolean {
    const error = new CodecError(memoryGone, { delivery: this.delivery })
    if (this.initiator) {
      this.abort({ reason: error }, ResetCode.internal, 'a message was lost before it was sent')
      return false
    }
    // To the caller this is a response that cannot be encoded; it may stand among the fragments of one.
    const payload = encodeRemoteError(error)
    this.#next = undefined
    this.#setMessage(payload, Flag.end | Flag.error, payload.length)
    return this.writeData(writer)
  }

  #setMessage(payload: Uint8Array, flags: number, bytes: number): void {
    this.#message = payload
    this.#messageBytes = bytes
    this.#messageFlags = flags
    this.#offset = 0
  }

  /** Writes the message from where it is written to until `end`. */
  #write(writer: FrameWriter, flags: number, message: Uint8Array, end: number): void {
    const start = this.#offset
    const open = this.#open
    this.#open = undefined
    if (open !== undefined) writeOpen(this, open, writer, flags, message, start, end)
    else if ((flags & Flag.bare) !== 0) writer.end(this.id)
    else writer.data(flags, this.id, message, start, end)
    this.sendWindow?.write(end - start)
    if ((flags & Flag.error) === 0) this.bytesOut += end - start
  }

  #writeFragment(writer: FrameWriter, message: Uint8Array): boolean {
    const end = this.#offset + fragmentBytes
    this.#write(writer, Flag.more, message, end)
    this.#offset = end
    return this.sendWindow?.isBlocked !== true
  }

  #sendNext(): void {
    const next = this.#next
    this.#next = undefined
    if (next === undefined) this.sink?.pump()
    else this.sendMessage(next.payload, next.flags)
  }

  #afterSendEnd(): void {
    this.#enter(afterSendEnd(this.state))
    // A handler that has ended reads nothing more.
    if (!this.initiator && canReceive(this.state)) this.stopRequests()
  }

  #enter(state: StreamState): void {
    this.state = state
    if (state === 'closed') this.#closed(undefined)
  }

  #sendReset(code: number, text: string): void {
    this.#resetDue = { code, text }
    this.port.counter.onReset(this, code, 'outbound')
    this.port.offerControl(this)
  }

  #closed(failure: Failure | undefined): void {
    const isFailed = ((this.#messageFlags | (this.#next?.flags ?? 0)) & Flag.error) !== 0
    this.#message = this.#next = this.#assembly = this.#open = undefined
    this.port.release(this, failure, isFailed)
    // First the signal of a handler: code that unwinds at once must find it aborted.
    this.owner?.onClosed(failure)
    this.sink?.stop()
  }
}

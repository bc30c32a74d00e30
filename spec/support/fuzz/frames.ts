/**
 * The fuzzer of frames: batches that are nearly what a good peer sends, against one live session after the other.
 *
 * It keeps track of which streams are open, so that most of its frames meet one. Whatever arrives, the session must go
 * on, reset a stream, or end with a protocol error that names what was wrong; and as long as it lives it must answer.
 */

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { ProtocolError } from '../../../lib/errors/errors.ts'
import { toCloseCode } from '../../../lib/session/end.ts'
import { CloseCode, Flag, type Frame, FrameType, ResetCode } from '../../../lib/wire/frame.ts'
import { FrameReader } from '../../../lib/wire/frame-reader.ts'
import { fastBatch, fastDecode } from '../codec/fast.ts'
import { randomFrame } from '../codec/random-frames.ts'
import { errorStack } from '../errors.ts'
import { type Example, examples } from '../pages/protocol.ts'
import { oneOf, wholeBelow } from '../random.ts'
import { credit, goAway, open, reset, table } from '../raw/make.ts'
import type { RawPeer } from '../raw/peer.ts'
import { until } from '../until.ts'
import type { Fuzzer, Round } from './fuzz.ts'
import { mutateBytes, randomBytes } from './mutate.ts'
import { FuzzSession, handlerCount, fuzzLimits as limits, peerSingle, peerStream } from './session.ts'

type Random = () => number
type Open = Extract<Frame, { type: typeof FrameType.open }>

const { end, more, error, bare } = Flag
/** Of what is sent, as cheap as it gets. */
const reader = new FrameReader()
const resetNames = Object.keys(ResetCode)

const isBatch = ({ name, meaning }: Example) => (name === 'batch' && meaning.checksum !== true) || name in FrameType
/** What it starts from: the batches of the page, without checksum. They have every frame in them, with every flag. */
const batches = examples.filter(isBatch).map(({ bytes }) => bytes)
const corpus = batches.flatMap((batch) => fastDecode(batch))

export const frameFuzzer: Fuzzer = async (round) => {
  for (let left = round.budget; left > 0; ) left -= await new Target(round).run(left)
}

/** One session, until it has ended or has had enough. */
class Target {
  readonly #round: Round
  readonly #random: Random
  readonly #session: FuzzSession
  readonly #peer: RawPeer
  readonly #checksum: boolean
  readonly #parity: number
  /** The highest id that this end has used. */
  #lastId: number
  #opened: number[] = []
  /** Of the session's own streams. */
  #theirs: number[] = []
  /** Frames that the session has ignored. */
  #ignored = 0

  constructor(round: Round) {
    const { random } = round
    this.#round = round
    this.#random = random
    const role = random() < 0.5 ? 'dialer' : 'listener'
    this.#parity = role === 'dialer' ? 0 : 1
    this.#lastId = this.#parity === 0 ? 0 : -1
    const maxIdleFramesPerSecond = random() < 0.1 ? 3 : 2 ** 31 - 1
    this.#checksum = random() < 0.5
    this.#session = new FuzzSession({ role, checksum: this.#checksum, limits: { ...limits, maxIdleFramesPerSecond } })
    this.#peer = this.#session.peer
  }

  /** Returns how many inputs it took. */
  async run(budget: number): Promise<number> {
    const peer = this.#peer
    // A session that waits for its table must bear anything, too.
    if (this.#random() < 0.98) await this.#deliver([table(peerSingle, peerStream)])
    this.#round.begin()
    let used = 0
    while (used < budget && peer.end === undefined) {
      used++
      await this.#input()
    }
    if (peer.end === undefined) await this.#honest()
    if (peer.end !== undefined) this.#checkEnd()
    await this.#session.stop()
    return used
  }

  async #input(): Promise<void> {
    const random = this.#random
    const { session, ready, link, frames } = this.#peer
    if (ready && session.usable && this.#session.pendingCalls < 4 && random() < 0.2) {
      this.#session.call(
        random() < 0.6,
        randomBytes(random, oneOf(random, [0, 5, 5, 300, 300, 3000, 70_000])),
        oneOf(random, [0, 0, 1, 50])
      )
    }
    if (random() < 0.01) link.hold()
    else if (random() < 0.1) link.release()
    const batch = this.#batch()
    frames.length = 0
    this.#round.input(batch)
    await this.#session.deliver(batch)
    this.#note(batch)
    this.#round.outcome(this.#outcome())
  }

  #outcome(): string {
    const { end, frames, session } = this.#peer
    if (end !== undefined)
      return `closed, ${end.reason}: ${end.text.replace(/0x\w+|\d+/g, 'N').replace(/type \w+/, 'type T')}`
    const reset = frames.find((frame) => frame.type === FrameType.reset && frame.code !== ResetCode.stop)
    if (reset?.type === FrameType.reset) return `reset, ${resetNames[reset.code]}`
    const { ignoredFrames } = session.stats()
    const isIgnored = ignoredFrames > this.#ignored
    this.#ignored = ignoredFrames
    return isIgnored ? 'ignored, a frame of it at least' : 'accepted'
  }

  /** What is open now, as far as this end can know. */
  #note(batch: Uint8Array): void {
    if (this.#peer.end !== undefined) return
    reader.load(batch, this.#checksum)
    while (reader.next()) {
      if (reader.type === FrameType.handlers) {
        if ((reader.flags & Flag.changes) !== 0) reader.readChanges(limits.maxHandlers)
        else reader.readHandlers(limits.maxHandlers, limits.maxNameBytes)
      }
      if (reader.type !== FrameType.open) continue
      this.#lastId = reader.streamId
      this.#opened.push(reader.streamId)
    }
    for (const frame of this.#peer.frames) {
      if (frame.type === FrameType.open) this.#theirs = [...this.#theirs.slice(-7), frame.streamId]
      else if (isLast(frame)) this.#opened = this.#opened.filter((id) => id !== frame.streamId)
    }
  }

  // What is sent

  #batch(): Uint8Array {
    const random = this.#random
    const checksum = this.#checksum
    const kind = random()
    if (kind < 0.02) return randomBytes(random, 1 + wholeBelow(random, 60))
    if (kind < 0.04) return withChecksum(oneOf(random, batches), checksum)
    let id = this.#lastId
    const frames = Array.from({ length: 1 + wholeBelow(random, random() < 0.9 ? 4 : 30) }, () => {
      const frame = this.#frame(id)
      if (frame.type === FrameType.open) id = frame.streamId
      return frame
    })
    const batch = fastBatch(frames, checksum)
    if (kind > 0.15) return batch
    const body = mutateBytes(random, checksum ? batch.subarray(4) : batch, oneOf(random, batches))
    return kind < 0.05 ? body : withChecksum(body, checksum)
  }

  #frame(lastId: number): Frame {
    const random = this.#random
    const kind = random()
    if (kind < 0.24 || this.#opened.length === 0) return this.#open(lastId)
    if (kind < 0.7) return this.#data()
    const streamId = this.#liveId()
    if (kind < 0.82) {
      const bytes = random() < 0.01 ? 2 ** 31 - wholeBelow(random, 9000) : wholeBelow(random, 9000)
      return credit(streamId, 1 + wholeBelow(random, 4), bytes)
    }
    if (kind < 0.92) return reset(streamId, wholeBelow(random, 12), 'why')
    if (kind < 0.97)
      return { type: random() < 0.5 ? FrameType.ping : FrameType.pong, flags: 0, token: wholeBelow(random, 3) }
    if (kind < 0.985) return table({ ...peerSingle, id: `more.${wholeBelow(random, 1_000_000)}` })
    if (kind < 0.987) return goAway(streamId, '', wholeBelow(random, 12))
    return kind < 0.995 ? oneOf(random, corpus) : randomFrame(random)
  }

  #open(lastId: number): Open {
    const random = this.#random
    return {
      type: FrameType.open,
      flags: oneOf(random, [0, 0, end, end, end, more]),
      streamId: lastId + 2 * (1 + wholeBelow(random, random() < 0.9 ? 1 : 20)),
      handler: wholeBelow(random, random() < 0.98 ? handlerCount : 20),
      timeoutMs: oneOf(random, [0, 0, 0, 1, 60_000, 2 ** 40]),
      metadata: random() < 0.2 ? this.#payload() : undefined,
      payload: this.#payload()
    }
  }

  #data(): Frame {
    const random = this.#random
    const flags = oneOf(random, [0, 0, 0, 0, more, more, end, end, end | error, end | bare])
    const payload = (flags & bare) !== 0 ? new Uint8Array() : this.#payload()
    return { type: FrameType.data, flags, streamId: this.#liveId(), payload }
  }

  #payload(): Uint8Array {
    const random = this.#random
    if (random() < 0.3) {
      const frame = oneOf(random, corpus)
      if ('payload' in frame && frame.payload.length < 3000) return frame.payload
    }
    return randomBytes(random, wholeBelow(random, random() < 0.02 ? 70_000 : oneOf(random, [1, 8, 8, 300, 300, 3000])))
  }

  /** Mostly of a stream that is open; hardly ever of one that never was, as that is the end. */
  #liveId(): number {
    const random = this.#random
    const kind = random()
    if (kind < 0.6 && this.#opened.length > 0) return oneOf(random, this.#opened.slice(-6))
    if (kind < 0.9 && this.#theirs.length > 0) return oneOf(random, this.#theirs)
    if (kind < 0.998 && this.#opened.length > 0) return oneOf(random, this.#opened)
    return 1 + wholeBelow(random, 100)
  }

  // What must hold

  /** As long as it lives it does what it should, for whoever keeps to the rules. */
  async #honest(): Promise<void> {
    const peer = this.#peer
    peer.link.release()
    // What it has not run yet it must be told to leave: the limit of calls is reached otherwise.
    for (let i = 0; i < this.#opened.length && peer.end === undefined; i += 100) {
      const ids = this.#opened.slice(i, i + 100)
      await this.#deliver(ids.map((streamId) => reset(streamId)))
    }
    await until(() => peer.end !== undefined || peer.session.stats().runningHandlers === 0, 'the handlers ended')
    const streamId = this.#lastId + 2
    if (peer.end !== undefined || streamId > Number.MAX_SAFE_INTEGER) return
    peer.frames.length = 0
    const payload = Buffer.from('an honest request')
    await this.#deliver([open(streamId, 0, end, payload)])
    const answer = () => peer.frames.find((frame) => 'streamId' in frame && frame.streamId === streamId)
    await until(() => peer.end !== undefined || answer() !== undefined, 'the honest request is answered')
    const frame = answer()
    if (frame?.type === FrameType.data) assert.deepEqual(Buffer.from(frame.payload), payload)
    else if (frame?.type === FrameType.reset) assert.equal(frame.code, ResetCode.goingAway, frame.text)
    else assert.notEqual(peer.end, undefined)
  }

  #checkEnd(): void {
    const { end, session } = this.#peer
    if (!(end?.cause instanceof ProtocolError)) assert.fail(`it ended with ${end?.reason}: ${errorStack(end?.cause)}`)
    assert.equal(end.reason, end.cause.reason)
    assert.ok(end.text.length > 10, end.text)
    assert.equal(session.usable, false)
    const [told] = this.#peer.of(FrameType.goAway)
    // Whoever reads nothing is not told.
    if (told === undefined) return
    assert.equal(told.code, toCloseCode(end.reason))
    assert.ok(([CloseCode.protocol, CloseCode.checksum, CloseCode.flood] as number[]).includes(told.code))
  }

  async #deliver(frames: Frame[]): Promise<void> {
    const batch = fastBatch(frames, this.#checksum)
    await this.#session.deliver(batch)
    this.#note(batch)
  }
}

function withChecksum(body: Uint8Array, checksum: boolean): Uint8Array {
  if (!checksum) return body
  const batch = Buffer.alloc(4 + body.length)
  batch.writeUInt32LE(crc32(body), 0)
  batch.set(body, 4)
  return batch
}

/** The responder has ended the stream with it. */
function isLast(frame: Frame): frame is Extract<Frame, { streamId: number }> {
  if (frame.type === FrameType.reset) return frame.code !== ResetCode.stop
  return frame.type === FrameType.data && (frame.flags & end) !== 0
}

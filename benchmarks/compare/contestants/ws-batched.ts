/**
 * The ceiling: `ws` with batches written by hand, and no features. What somebody who knows where the time goes writes
 * for one program: an id before each payload, many of them in one WebSocket message, a zero mask so that `ws` skips the
 * XOR. No deadlines, no cancel, no credit (a slow stream holds up all), no errors, no checksum, no reconnect.
 *
 * A batch is a row of [id: 4 bytes][length: 4 bytes][payload]. A large payload is not copied: its header ends a batch, and
 * it follows as a message of its own. The server sends back whatever it gets.
 */

import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { ClientSide, Contestants, StreamPlan, TakeMessage } from '../contestant.ts'
import { pushInTurn } from '../push.ts'
import { allOf, highWaterMarkBytes, listenWebSocket } from './ws-server.ts'

const headerBytes = 8
/** A batch that grows to this goes out without waiting for the end of the turn. */
const maxBatchBytes = 64 * 1024
/** From here on a copy costs more than a message. */
const minAloneBytes = 16 * 1024
/** In place of a length: the payload is the next message. */
const alone = 0xffff_ffff
/** Batches are cut from blocks, so that a small one costs no allocation. */
const blockBytes = 4 * maxBatchBytes
/** Ids of streams start here; below are requests. */
const firstStreamId = 0x8000_0000

/** Collects what is sent in one go, and sends it when all callbacks and promises of that go are done. */
class Batcher {
  readonly #ws: WebSocket
  #block = Buffer.allocUnsafeSlow(blockBytes)
  #start = 0
  #end = 0
  #isScheduled = false
  readonly #resumes: (() => void)[] = []

  constructor(ws: WebSocket) {
    this.#ws = ws
  }

  /** Sends, and says whether the socket takes more; if not, `resume` is called once it does. */
  send(id: number, payload: Uint8Array, resume?: () => void): boolean {
    const isAlone = payload.length >= minAloneBytes
    const bytes = isAlone ? headerBytes : headerBytes + payload.length
    if (this.#end - this.#start + bytes > maxBatchBytes) this.#flush()
    if (this.#end + bytes > this.#block.length) this.#renewBlock()
    const block = this.#block
    block.writeUInt32LE(id, this.#end)
    block.writeUInt32LE(isAlone ? alone : payload.length, this.#end + 4)
    if (!isAlone) block.set(payload, this.#end + headerBytes)
    this.#end += bytes
    if (isAlone) {
      this.#flush()
      this.#ws.send(payload, this.#onSent)
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      process.nextTick(this.#onTurnEnd)
    }
    if (this.#ws.bufferedAmount < highWaterMarkBytes) return true
    if (resume !== undefined) this.#resumes.push(resume)
    return false
  }

  /** A batch under way stays whole: what is in it goes out first. */
  #renewBlock(): void {
    this.#flush()
    this.#block = Buffer.allocUnsafeSlow(blockBytes)
    this.#start = 0
    this.#end = 0
  }

  readonly #onTurnEnd = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  #flush(): void {
    if (this.#end === this.#start) return
    const batch = this.#block.subarray(this.#start, this.#end)
    this.#start = this.#end
    this.#ws.send(batch, this.#onSent)
  }

  readonly #onSent = (): void => {
    if (this.#ws.bufferedAmount >= highWaterMarkBytes) return
    for (const resume of this.#resumes.splice(0)) resume()
  }
}

/** Returns what takes the messages of a conn. */
function readerOf(onPayload: (id: number, payload: Buffer) => void): (message: Buffer) => void {
  /** The id of a payload that is a message of its own, while that is awaited. */
  let awaited: number | undefined
  return (message) => {
    if (awaited !== undefined) {
      const id = awaited
      awaited = undefined
      onPayload(id, message)
      return
    }
    for (let at = 0; at < message.length; ) {
      const id = message.readUInt32LE(at)
      const length = message.readUInt32LE(at + 4)
      at += headerBytes
      if (length === alone) {
        awaited = id
        return
      }
      onPayload(id, message.subarray(at, at + length))
      at += length
    }
  }
}

const listen = () =>
  listenWebSocket((ws) => {
    const batcher = new Batcher(ws)
    const resume = () => ws.resume()
    let canTake = true
    const read = readerOf((id, payload) => {
      if (!batcher.send(id, payload, canTake ? resume : undefined)) canTake = false
    })
    ws.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return pushAll(batcher, JSON.parse(data.toString()))
      canTake = true
      read(data)
      if (!canTake) ws.pause()
    })
  })

function pushAll(batcher: Batcher, plans: readonly StreamPlan[]): void {
  pushInTurn(plans, (stream, message, resume) => batcher.send(firstStreamId + stream, message, resume))
}

async function connect(address: string): Promise<ClientSide> {
  const ws = new WebSocket(address, { perMessageDeflate: false, generateMask: (mask) => mask.fill(0) })
  await once(ws, 'open')
  const batcher = new Batcher(ws)
  const waiting: (((payload: Buffer) => void) | undefined)[] = []
  const freeIds: number[] = []
  let onStream: ((stream: number, payload: Buffer) => void) | undefined
  const read = readerOf((id, payload) => {
    if (id >= firstStreamId) return onStream?.(id - firstStreamId, payload)
    freeIds.push(id)
    waiting[id]?.(payload)
  })
  ws.on('message', read)
  const run = (plans: readonly StreamPlan[], take: TakeMessage, start: () => void): Promise<void> => {
    const { ended, arrived } = allOf(plans)
    onStream = (stream, payload) => {
      take(stream, payload)
      arrived()
    }
    start()
    return ended
  }
  return {
    request: (payload) =>
      new Promise((resolve) => {
        const id = freeIds.pop() ?? waiting.length
        waiting[id] = resolve
        batcher.send(id, payload)
      }),
    serverStreams: (plans, take) => run(plans, take, () => ws.send(JSON.stringify(plans))),
    echoStreams: (plans, take) => run(plans, take, () => pushAll(batcher, plans))
  }
}

export const contestants: Contestants = { 'ws-batched': { listen, connect } }

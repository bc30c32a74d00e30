/** Senders for an outbox, and what of them is in a batch. */

import assert from 'node:assert/strict'
import { batchBytes } from '../../../lib/base/options.ts'
import { FrameType } from '../../../lib/wire/frame.ts'
import type { FrameWriter } from '../../../lib/wire/frame-writer.ts'
import type { Outbox, Sender } from '../../../lib/wire/outbox.ts'
import { naiveDecode } from '../codec/naive.ts'

/** Writes `count` frames of data of `size` bytes (two fill a batch) on its stream, one for each turn. */
export class Bulk implements Sender {
  dataQueued = false
  controlQueued = false
  left: number
  readonly #id: number
  readonly #payload: Uint8Array
  readonly #controls: number[] = []

  constructor(id: number, count: number, size = batchBytes / 2) {
    this.#id = id
    this.left = count
    this.#payload = new Uint8Array(size)
  }

  writeData(writer: FrameWriter): boolean {
    if (this.left === 0) return false
    this.left--
    writer.data(0, this.#id, this.#payload, 0, this.#payload.length)
    return this.left > 0
  }

  ping(token: number): this {
    this.#controls.push(token)
    return this
  }

  writeControl(writer: FrameWriter): void {
    for (const token of this.#controls.splice(0)) writer.ping(token)
  }
}

/** Offers its next frame from within the writing of the last, as a producer does that never has to wait. */
export class Eager implements Sender {
  dataQueued = false
  controlQueued = false
  written = 0
  #pumping = false
  #slot = true
  readonly #outbox: Outbox
  readonly #id: number
  readonly #total: number

  constructor(outbox: Outbox, id: number, total: number) {
    this.#outbox = outbox
    this.#id = id
    this.#total = total
  }

  writeData(writer: FrameWriter): boolean {
    if (!this.#slot) return false
    this.#slot = false
    this.written++
    writer.data(0, this.#id, new Uint8Array(1000), 0, 1000)
    if (this.#pumping) return false
    this.#pumping = true
    while (!this.#slot && this.written < this.#total) {
      this.#slot = true
      this.#outbox.offer(this)
    }
    this.#pumping = false
    return false
  }

  writeControl(): void {}
}

type Take = IteratorResult<Uint8Array>

export function take(outbox: Outbox): Promise<Take> {
  return outbox.next()
}

/** The stream ids, or minus the token of a ping, of one batch. */
export function marks({ value, done }: Take): number[] {
  assert.equal(done, false)
  return naiveDecode(value).map((frame) => {
    assert.ok(frame.type === FrameType.data || frame.type === FrameType.ping)
    return frame.type === FrameType.data ? frame.streamId : -frame.token
  })
}

/** Every batch until the outbox has nothing more. */
export async function drain(outbox: Outbox): Promise<number[][]> {
  const batches: number[][] = []
  outbox.close()
  for await (const value of outbox) batches.push(marks({ done: false, value }))
  return batches
}

export function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return Promise.race([promise, Promise.resolve(pending)]).then((first) => first === pending)
}

/** Senders for an outbox, and what of them is in a batch. */

import assert from 'node:assert/strict'
import { batchBytes } from '../../lib/errors/options.ts'
import { FrameType } from '../../lib/wire/frame.ts'
import type { FrameWriter } from '../../lib/wire/frame-writer.ts'
import type { Outbox } from '../../lib/wire/outbox.ts'
import { naiveDecode } from '../support/codec/naive.ts'

/** Writes `count` frames of data of `size` bytes (two fill a batch) on its stream, one for each turn. */
export function bulkSender(id: number, count: number, size = batchBytes / 2) {
  const payload = new Uint8Array(size)
  const controls: number[] = []
  const sender = {
    ...{ dataQueued: false, controlQueued: false, left: count },

    writeData(writer: FrameWriter): boolean {
      if (sender.left === 0) return false
      sender.left--
      writer.data(0, id, payload, 0, size)
      return sender.left > 0
    },

    ping(token: number) {
      controls.push(token)
      return sender
    },

    writeControl(writer: FrameWriter): void {
      for (const token of controls.splice(0)) writer.ping(token)
    }
  }
  return sender
}

/** Offers its next frame from within the writing of the last, as a producer does that never has to wait. */
export function eagerSender(outbox: Outbox, id: number, total: number) {
  let isPumping = false
  let hasNext = true
  const sender = {
    ...{ dataQueued: false, controlQueued: false, written: 0 },

    writeData(writer: FrameWriter): boolean {
      if (!hasNext) return false
      hasNext = false
      sender.written++
      writer.data(0, id, new Uint8Array(1000), 0, 1000)
      if (isPumping) return false
      isPumping = true
      while (!hasNext && sender.written < total) {
        hasNext = true
        outbox.offer(sender)
      }
      isPumping = false
      return false
    },

    writeControl(): void {}
  }
  return sender
}

/** The stream ids, or minus the token of a ping, of one batch. */
export function marks({ value, done }: IteratorResult<Uint8Array>): number[] {
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

/**
 * `pipe` of it-pipe, for streams in its middle: whatever the values are, they pass, and no stage outlives the failure of
 * another one.
 *
 * it-pipe merges the responses of a stage with the end of its requests. What it merges them with takes `null` and `undefined`
 * for the end, reads ahead, and lets an error overtake values. Here the responses are read as they are.
 */

import { pipe as pipeStages } from 'it-pipe'
import { unlessAborted } from '../base/abort.ts'
import { toPromise, whenSettled } from '../base/promise.ts'
import { quietly } from '../base/quietly.ts'
import { check, type Kind } from '../errors/check.ts'
import { ClosedError } from '../errors/errors.ts'
import { type Producer, unwind } from '../producer/producer.ts'
import { sourceGiven, takesNone } from './ended-requests.ts'
import { GridStream } from './grid-stream.ts'

interface Duplex {
  readonly source: unknown
  readonly sink: (source: unknown) => unknown
}

/**
 * Connects a source, any number of transforms, and a sink, as `pipe` of it-pipe does, and returns what the last one gives. A
 * stream may be any of them.
 *
 * Values are passed on whatever they are, also `null` and `undefined`. Who stops reading stops all stages before, across the
 * network; a stage that fails fails those behind it, after the values that it gave before. When a stage throws as it is
 * called, or the last one rejects, the streams are cancelled. A stream that has a source already, or takes no requests, fails
 * those behind it with a `ClosedError`.
 *
 * @example
 *
 * ```ts
 * await pipe(chunks, peer.newStream(upload, meta), (receipts) => map(receipts, decode), save)
 * ```
 *
 * @throws {InvalidOptionError} when an argument cannot be what it stands for
 */
export const pipe: typeof pipeStages = ((first: unknown, ...rest: readonly unknown[]): unknown => {
  const last = rest.at(-1)
  /** What is read of each stream. */
  const opened = new Map([first, ...rest].filter(isDuplex).map((stage) => [stage, stage.source]))
  const passThrough = (stage: Duplex) => (source: unknown) => {
    const values = pass(stage, source)
    opened.set(stage, values)
    return values
  }
  const stages = rest.map((stage) => (stage !== last && isDuplex(stage) ? passThrough(stage) : stage))
  const leave = () => {
    for (const source of [...opened.values()].reverse()) unwind(source)
  }
  try {
    for (const [at, stage] of [first, ...rest].entries())
      check(`argument ${at + 1} of pipe()`, stage, at === 0 ? aSource : aStage)
    const result = (pipeStages as (...all: readonly unknown[]) => unknown)(first, ...stages)
    // It hears by its requests, and others read it.
    if (rest.length > 0) opened.delete(last as Duplex)
    const promise = opened.size > 0 ? toPromise(result) : undefined
    return promise === undefined ? result : leaveIfFailed(promise, leave)
  } catch (error) {
    leave()
    throw error
  }
}) as typeof pipeStages

async function leaveIfFailed(result: PromiseLike<unknown>, leave: () => void): Promise<unknown> {
  try {
    return await result
  } catch (error) {
    leave()
    throw error
  }
}

function isDuplex(stage: unknown): stage is Duplex {
  const { sink, source } = Object(stage)
  return typeof sink === 'function' && (source ?? undefined) !== undefined
}

const aStage: Kind = {
  must: 'must be a function, a stream or a duplex',
  is: (stage) => typeof stage === 'function' || isDuplex(stage)
}
const aSource: Kind = {
  must: 'must be an iterable, an async iterable, a stream or a function that gives one',
  is: (source) => aStage.is(source) || methodOf(source) !== undefined
}

function pass(stage: Duplex, source: unknown): unknown {
  if (stage instanceof GridStream) return passStream(stage, source)
  const sent = toPromise(stage.sink(source))
  return sent === undefined ? stage.source : new Passage(stage.source, sent)
}

/** A stream tells by its responses that it failed, behind those that arrived before; but not that nobody takes its requests. */
function passStream(stream: GridStream<unknown, unknown>, source: unknown): unknown {
  if (stream.call.requests.haveSource) {
    // Others use it: it goes on.
    unwind(source)
    const refused = async () => await Promise.reject(sourceGiven())
    return { [Symbol.asyncIterator]: () => ({ next: refused }) }
  }
  whenSettled(
    stream.sink(source as Producer<unknown>),
    () => undefined,
    (reason) => {
      if (ClosedError.is(reason) && reason.message === takesNone) stream.cancel(reason)
    }
  )
  return stream.source
}

/** What a stage of any other making gives, until its sink fails. */
class Passage implements AsyncIterableIterator<unknown> {
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>
  readonly #failed = new AbortController()
  #isOver = false

  constructor(source: unknown, sent: PromiseLike<unknown>) {
    this.#iterator = iteratorOf(source)
    whenSettled(
      sent,
      () => undefined,
      (reason) => this.#onFailed(reason)
    )
  }

  async next(): Promise<IteratorResult<unknown>> {
    if (this.#isOver) return { done: true, value: undefined }
    try {
      const result = await unlessAborted(this.#iterator.next(), this.#failed.signal)
      this.#isOver ||= result.done === true
      return result
    } catch (error) {
      this.#isOver = true
      throw error
    }
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#isOver = true
    await this.#iterator.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #onFailed(reason: unknown): void {
    if (this.#isOver) return
    this.#failed.abort(reason)
    quietly(() => this.#iterator.return?.())
  }
}

/** @throws {TypeError} when it is no iterable */
function iteratorOf(source: unknown): AsyncIterator<unknown> | Iterator<unknown> {
  const method = methodOf(source)
  if (typeof method !== 'function')
    throw new TypeError('the source of a duplex must be an iterable or an async iterable')
  return Reflect.apply(method, source, [])
}

function methodOf(source: unknown): unknown {
  const { [Symbol.asyncIterator]: ofAsync, [Symbol.iterator]: ofSync } = Object(source)
  return ofAsync ?? ofSync ?? undefined
}

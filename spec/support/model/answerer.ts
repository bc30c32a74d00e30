/** The answering end of the calls of a schedule: handlers that do what the plan of their call says. */

import type { HandlerContext, Manager } from '../../../lib/index.ts'
import { type Call, ModelError } from './call.ts'
import { callIn, isSame, payloadOf } from './messages.ts'
import { drawSize, maxMessageBytes, singles, streamings } from './plan.ts'
import { tracked } from './tracked.ts'
import type { World } from './world.ts'

export type Requests = AsyncIterableIterator<Uint8Array, undefined> | null

/** What no handler may answer with: it has to become an error of its call. */
const noBytes = 'no bytes' as unknown as Uint8Array
const tooLarge = new Uint8Array(maxMessageBytes + 1)

/** Registers every definition of the plans at end `index`. */
export function registerHandlers(manager: Manager, world: World, index: number): void {
  for (const definition of singles) {
    manager.handle(definition, (payload, context) => {
      const call = callOf(world, index, payload, context)
      const { by, end } = call.plan.answers
      return by === 'sync' && end !== 'hang' ? answerNow(call) : answerLater(call, context)
    })
  }
  for (const definition of streamings) {
    manager.handle(definition, (payload, requests, context) =>
      respond(callOf(world, index, payload, context), requests as Requests, context)
    )
  }
}

/** The call that has reached a handler. */
function callOf(world: World, index: number, payload: Uint8Array, context: HandlerContext): Call {
  const number = callIn(payload) ?? Number(context.metadata.call)
  const call = world.calls[number]
  if (call === undefined) {
    world.fail(`a handler got the payload of call ${number}, which there is not`)
    throw new ModelError('no such call')
  }
  call.onHandler()
  const { definition, payloadBytes, from } = call.plan
  if (from === index) call.fail('it reached the end that made it')
  if (context.handler !== definition.id) call.fail(`it reached the handler ${context.handler}`)
  if (!isSame(payload, payloadOf(number, payloadBytes))) call.fail('its payload arrived as another one')
  payload.fill(0xee)
  return call
}

// Single requests

function answerNow(call: Call): Uint8Array {
  try {
    return answerOf(call)
  } finally {
    call.onHandlerLeft()
  }
}

async function answerLater(call: Call, context: HandlerContext): Promise<Uint8Array> {
  try {
    await call.world.pause()
    if (call.plan.answers.end === 'hang') await hang(call, context)
    await call.world.pause()
    return answerOf(call)
  } finally {
    call.onHandlerLeft()
  }
}

function answerOf(call: Call): Uint8Array {
  throwIfPlanned(call)
  const { end } = call.plan.answers
  if (end === 'bad') return noBytes
  if (end === 'huge') return tooLarge
  const answer = call.responses.next(drawSize(call.world.random))
  call.responses.ended = true
  return answer
}

function throwIfPlanned(call: Call): void {
  const { end } = call.plan.answers
  if (end === 'throw' || end === 'refuse') throw new ModelError(`the handler of ${call.name} throws`)
}

/** Until it is aborted, or the schedule is over. */
async function hang(call: Call, { signal }: HandlerContext): Promise<void> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      call.releaseHandler = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    call.releaseHandler = undefined
  }
  await call.world.pause()
}

// Streams

function respond(call: Call, requests: Requests, context: HandlerContext) {
  const { by, end, readsWhen } = call.plan.answers
  if (end === 'refuse') {
    call.onHandlerLeft()
    throwIfPlanned(call)
  }
  if (by === 'nothing') return answerNothing(call, requests, context)
  // A plain generator cannot wait for what it reads.
  const isPlain = by === 'sync' && end !== 'hang'
  if (readsWhen === 'beside' || isPlain) call.world.spawn(read(call, requests))
  if (by === 'late') return respondLate(call, requests, context)
  return isPlain
    ? tracked(responsesNow(call), watchOf(call))
    : tracked(responses(call, requests, context), watchOf(call))
}

function watchOf(call: Call) {
  return { half: call.responses, onLeft: () => call.onHandlerLeft() }
}

/** The call may be over by then: the generator is unwound before it has begun. */
async function respondLate(call: Call, requests: Requests, context: HandlerContext) {
  await call.world.pause()
  return tracked(responses(call, requests, context), watchOf(call))
}

async function answerNothing(call: Call, requests: Requests, context: HandlerContext): Promise<undefined> {
  try {
    await call.world.pause()
    if (call.plan.answers.readsWhen !== 'beside') await read(call, requests)
    if (call.plan.answers.end === 'hang') await hang(call, context)
    throwIfPlanned(call)
    call.responses.ended = true
  } finally {
    call.onHandlerLeft()
  }
}

function* responsesNow(call: Call): Generator<Uint8Array, void> {
  const { count, end } = call.plan.answers
  for (let i = 0; i < count; i++) yield call.responses.next(drawSize(call.world.random))
  throwIfPlanned(call)
  if (end === 'bad') yield noBytes
  if (end === 'huge') yield tooLarge
  call.responses.ended = true
}

async function* responses(call: Call, requests: Requests, context: HandlerContext): AsyncGenerator<Uint8Array, void> {
  const { count, end, reads, readsWhen } = call.plan.answers
  call.producersEntered++
  try {
    if (readsWhen === 'before') await read(call, requests)
    for (let i = 0; i < count; i++) {
      if (readsWhen === 'between' && i < reads.count) await readOne(call, requests)
      await call.world.pause()
      yield call.responses.next(drawSize(call.world.random))
    }
    await call.world.pause()
    if (end === 'hang') await hang(call, context)
    throwIfPlanned(call)
    if (end === 'bad') yield noBytes
    if (end === 'huge') yield tooLarge
    call.responses.ended = true
  } finally {
    call.producersLeft++
  }
}

/** The consumer of the requests: of all, or of some and then of no more. */
async function read(call: Call, requests: Requests): Promise<void> {
  const { mode, count } = call.plan.answers.reads
  if (requests === null || mode === 'none') return
  for (let taken = 0; mode === 'all' || taken < count; taken++) {
    await call.world.pause()
    if (!(await readOne(call, requests))) return
  }
  call.hasStoppedReading = true
  call.requests.outcome = 'broken off'
  await requests.return?.()
}

/** Returns whether there may be more. */
async function readOne(call: Call, requests: Requests): Promise<boolean> {
  if (requests === null || call.requests.outcome !== undefined) return false
  try {
    const result = await requests.next()
    if (result.done === true) {
      call.requests.onEnd()
      return false
    }
    call.requests.onTaken(result.value)
    return true
  } catch (error) {
    call.onRequestsFailed(error)
    return false
  }
}

/** The calling end of a schedule: makes a call, sends its requests and takes its responses, as its plan says. */

import type { CallOptions, Connection, GridStream } from '../../../lib/index.ts'
import type { Call } from './call.ts'
import { namedBytes, payloadOf } from './messages.ts'
import { type CallPlan, drawSize, type Single, type Streaming } from './plan.ts'
import { tracked } from './tracked.ts'
import type { World } from './world.ts'

type ModelStream = GridStream<Uint8Array, Uint8Array>

/** Makes the call; its actors do the rest. */
export function makeCall(world: World, plan: CallPlan): Call {
  const end = world.ends[plan.from]
  const call = world.newCall(plan)
  if (world.lines !== undefined) call.log(`opens, ${JSON.stringify(plan)}`)
  const connection = world.connectionOf(end)
  const options = optionsOf(call)
  if (plan.definition.kind === 'single') world.spawn(runSingle(call, connection, plan.definition, options))
  else runStream(call, connection, plan.definition, options)
  return call
}

function optionsOf(call: Call): CallOptions {
  const { world } = call
  const { timeoutMs, waitForReady, payloadBytes, signal: kind, from } = call.plan
  const metadata = payloadBytes < namedBytes ? { call: call.number } : undefined
  const timeout = timeoutMs ?? Number.POSITIVE_INFINITY
  const common = { timeout, waitForReady, metadata }
  if (kind === 'none') return common
  if (kind === 'shared') return { ...common, signal: world.ends[from].shared.signal }
  const controller = new AbortController()
  world.signals.push(controller.signal)
  call.cancel = (reason) => {
    controller.abort(reason)
    call.onCancel(controller.signal.reason)
  }
  if (kind === 'aborted') call.cancel(new Error('the model: aborted before the call'))
  return { ...common, signal: controller.signal }
}

async function runSingle(call: Call, connection: Connection, definition: Single, options: CallOptions): Promise<void> {
  try {
    const response = await connection.request(definition, payloadOf(call.number, call.plan.payloadBytes), options)
    call.isSettled = true
    call.log('is answered')
    if (call.handlerRuns !== 1) call.fail('it was answered, and its handler did not run')
    call.responses.onTaken(response)
    call.responses.onEnd()
  } catch (error) {
    call.onFailed(error)
    call.isSettled = true
  }
}

function runStream(call: Call, connection: Connection, definition: Streaming, options: CallOptions): void {
  const { world } = call
  const stream = connection.newStream(definition, payloadOf(call.number, call.plan.payloadBytes), options)
  call.stream = stream
  call.cancel ??= (reason) => {
    call.onCancel(reason)
    stream.cancel(reason)
  }
  world.spawn(stream.closed.then((end) => call.onClosed(end)))
  world.spawn(consume(call, stream))
  if (stream.requests !== null) world.spawn(produce(call, stream))
}

async function consume(call: Call, stream: ModelStream): Promise<void> {
  const { mode, count } = call.plan.reads
  if (mode === 'none') {
    for (let i = 0; i < count; i++) await call.world.pause()
    call.cancel?.(new Error('the model: nobody reads'))
  }
  for (let taken = 0; mode !== 'some' || taken < count; taken++) {
    await call.world.pause()
    if (!(await consumeOne(call, stream))) return
  }
  call.isBrokenOff = true
  call.responses.outcome ??= 'broken off'
  call.log('breaks off')
  await stream.responses.return?.()
}

async function consumeOne(call: Call, stream: ModelStream): Promise<boolean> {
  const wasCancelled = call.cancelled !== undefined
  try {
    const result = await stream.responses.next()
    if (result.done === true) {
      call.log('its responses have ended')
      call.responses.onEnd()
      return false
    }
    if (wasCancelled) call.wasFedAfterCancel = true
    call.responses.onTaken(result.value)
    return true
  } catch (error) {
    call.onFailed(error)
    return false
  }
}

async function produce(call: Call, stream: ModelStream): Promise<void> {
  const { by, end } = call.plan.sends
  if (by === 'async' || by === 'sync') return await produceFrom(call, stream)
  if (by !== 'none' && !(await sendAll(call, stream))) return
  while (end === 'late' && !call.world.isEnding && !call.isSettled) await call.world.pause()
  call.requests.ended = true
  stream.requests.end()
}

/** Returns whether all were taken, as far as is known. */
async function sendAll(call: Call, stream: ModelStream): Promise<boolean> {
  const { by, count, isEager } = call.plan.sends
  let isRefused = false
  for (let index = 0; index < count && !isRefused; index++) {
    if (!isEager) await call.world.pause()
    const message = call.requests.next(drawSize(call.world.random))
    const onRefused = (error: unknown) => {
      isRefused = true
      call.onRequestRefused(index, error)
    }
    if (by === 'push') {
      try {
        stream.requests.push(message)
      } catch (error) {
        // It throws in the turn in which the stream ended: that has to become known first.
        await call.world.turn()
        onRefused(error)
      }
    } else {
      const sent = stream.send(message).then(() => call.requests.onConfirmed(), onRefused)
      if (isEager) call.world.spawn(sent)
      else await sent
    }
  }
  return !isRefused
}

async function produceFrom(call: Call, stream: ModelStream): Promise<void> {
  const onEntered = () => void call.producersEntered++
  const watch = { half: call.requests, onEntered, onLeft: () => void call.producersLeft++ }
  const source = call.plan.sends.by === 'sync' ? tracked(requestsNow(call), watch) : tracked(requests(call), watch)
  try {
    await stream.sink(source)
  } catch (error) {
    call.log(`the sink failed: ${error}`)
    call.checkSendError(error, 'the sink of the requests failed')
  }
}

function* requestsNow(call: Call): Generator<Uint8Array, void> {
  const { count, end } = call.plan.sends
  for (let i = 0; i < count; i++) yield call.requests.next(drawSize(call.world.random))
  if (end === 'throw') throw call.sourceError
  call.requests.ended = true
}

async function* requests(call: Call): AsyncGenerator<Uint8Array, void> {
  const { count, end } = call.plan.sends
  for (let i = 0; i < count; i++) {
    await call.world.pause()
    yield call.requests.next(drawSize(call.world.random))
  }
  await call.world.pause()
  if (end === 'throw') throw call.sourceError
  call.requests.ended = true
}

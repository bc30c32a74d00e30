/**
 * The floor: a bare `ws` echo, one WebSocket message per payload, nothing else: no ids, no deadlines, no batching.
 *
 * Answers come in the order of the requests, so nothing tells them apart. One stream has the conn to itself; where
 * there are several, one byte in front of each message says which. What the client wants goes in a text message.
 */

import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { ClientSide, Contestants, StreamPlan, TakeMessage } from '../contestant.ts'
import { pushInTurn } from '../push.ts'
import { allOf, highWaterMarkBytes, listenWebSocket } from './ws-server.ts'

/** So many answered requests stay in the queue until they are cut off at once. */
const maxAnswered = 4096

const listen = () =>
  listenWebSocket((ws) => {
    ws.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) pushAll(ws, JSON.parse(data.toString()))
      else if (!send(ws, data, () => ws.resume())) ws.pause()
    })
  })

/** Sends, and says whether the socket takes more; if not, `resume` is called once it does. */
function send(ws: WebSocket, data: Buffer, resume: () => void): boolean {
  if (ws.bufferedAmount + data.length < highWaterMarkBytes) {
    ws.send(data)
    return true
  }
  ws.send(data, resume)
  return false
}

function pushAll(ws: WebSocket, plans: readonly StreamPlan[]): void {
  const isTagged = plans.length > 1
  pushInTurn(plans, (stream, message, resume) => send(ws, isTagged ? tagged(stream, message) : message, resume))
}

function tagged(stream: number, message: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(1 + message.length)
  whole[0] = stream
  message.copy(whole, 1)
  return whole
}

async function connect(address: string): Promise<ClientSide> {
  const ws = new WebSocket(address, { perMessageDeflate: false })
  await once(ws, 'open')
  const waiting: ((data: Buffer) => void)[] = []
  let head = 0
  let onStream: ((data: Buffer) => void) | undefined
  /** Beside one stream of large messages there may be small requests: the size tells their answers apart. */
  let streamBytes: number | undefined
  ws.on('message', (data: Buffer) => {
    if (onStream !== undefined && (streamBytes ?? data.length) === data.length) return onStream(data)
    const resolve = waiting[head++] as (data: Buffer) => void
    if (head === waiting.length || head === maxAnswered) {
      waiting.splice(0, head)
      head = 0
    }
    resolve(data)
  })
  const run = async (plans: readonly StreamPlan[], take: TakeMessage, start: () => void): Promise<void> => {
    const { ended, arrived } = allOf(plans)
    const isTagged = plans.length > 1
    streamBytes = isTagged ? undefined : plans[0]?.bytes
    onStream = (data) => {
      if (isTagged) take(data[0] as number, data.subarray(1))
      else take(0, data)
      arrived()
    }
    start()
    await ended
    onStream = undefined
  }
  return {
    request: (payload) =>
      new Promise((resolve) => {
        waiting.push(resolve)
        ws.send(payload)
      }),
    serverStreams: (plans, take) => run(plans, take, () => ws.send(JSON.stringify(plans))),
    echoStreams: (plans, take) => run(plans, take, () => pushAll(ws, plans))
  }
}

export const contestants: Contestants = { ws: { listen, connect } }

/**
 * The floor: a bare `ws` echo, one WebSocket message per payload, nothing else: no ids, no deadlines, no batching.
 *
 * Answers come in the order of the requests, so nothing tells them apart. One stream has the conn to itself; where
 * there are several, one byte in front of each message says which. What the client wants goes in a text message.
 */

import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { ClientSide, Contestant, StreamPlan, TakeMessage } from '../contestant.ts'
import { pushInTurn } from '../push.ts'
import { highWaterMarkBytes, listenWebSocket } from './ws-server.ts'

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

/** What streams bring, until as many messages arrived as are planned. */
class Arrivals {
  #left: number
  readonly #plans: readonly StreamPlan[]
  readonly #take: TakeMessage
  readonly #onEnd: () => void

  constructor(plans: readonly StreamPlan[], take: TakeMessage, onEnd: () => void) {
    this.#left = plans.reduce((sum, { count }) => sum + count, 0)
    this.#plans = plans
    this.#take = take
    this.#onEnd = onEnd
  }

  onMessage(data: Buffer): void {
    if (this.#plans.length > 1) this.#take(data[0] as number, data.subarray(1))
    else this.#take(0, data)
    if (--this.#left === 0) this.#onEnd()
  }

  /** Beside a stream of large messages there may be small requests: the size tells their answers apart. */
  isFor(data: Buffer): boolean {
    return this.#plans.length > 1 || data.length === this.#plans[0]?.bytes
  }
}

async function connect(address: string): Promise<ClientSide> {
  const ws = new WebSocket(address, { perMessageDeflate: false })
  await once(ws, 'open')
  const waiting: ((data: Buffer) => void)[] = []
  let head = 0
  let arrivals: Arrivals | undefined
  ws.on('message', (data: Buffer) => {
    if (arrivals?.isFor(data)) return arrivals.onMessage(data)
    const resolve = waiting[head++] as (data: Buffer) => void
    if (head === waiting.length || head === maxAnswered) {
      waiting.splice(0, head)
      head = 0
    }
    resolve(data)
  })
  const take = (plans: readonly StreamPlan[], onMessage: TakeMessage) =>
    new Promise<void>((resolve) => {
      arrivals = new Arrivals(plans, onMessage, () => {
        arrivals = undefined
        resolve()
      })
    })
  return {
    request: (payload) =>
      new Promise((resolve) => {
        waiting.push(resolve)
        ws.send(payload)
      }),
    serverStreams(plans, onMessage) {
      ws.send(JSON.stringify(plans))
      return take(plans, onMessage)
    },
    echoStreams(plans, onMessage) {
      const ended = take(plans, onMessage)
      pushAll(ws, plans)
      return ended
    },
    close: () => ws.terminate()
  }
}

export const contestants: Record<string, Contestant> = { ws: { listen, connect } }

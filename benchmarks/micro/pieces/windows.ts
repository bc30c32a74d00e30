/** Credit arithmetic: what one message costs the windows of both ends, with the grants it takes. */

import { type Piece, piece } from '../../harness/pieces/piece.ts'

const messages = 64
const windowBytes = 256 * 1024
const payloadBytes = 512
const operation = 'send, receive and take one message of 512 B in a window of 64, with the grants back'

export const windows: readonly Piece[] = [
  piece('window', operation, async (library) => {
    const { ReceiveWindow, SendWindow } = await library('stream/window')
    const send = new SendWindow(messages, windowBytes)
    const receive = new ReceiveWindow(messages, windowBytes)
    const credit = { messages: 0, bytes: 0 }
    return (count) => {
      for (let i = 0; i < count; i++) {
        if (!send.canSend) throw new Error('the window is empty')
        send.take(payloadBytes)
        receive.begin()
        receive.receive(payloadBytes)
        if (!receive.take(payloadBytes)) continue
        receive.grant(credit)
        send.add(credit.messages, credit.bytes)
      }
    }
  })
]

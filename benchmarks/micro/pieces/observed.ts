/** What it costs to be observed: the same requests with interceptors, subscribers or metadata. */

import type { Interceptor } from '../../../lib/index.ts'
import type { Library } from '../../harness/library.ts'
import { type Piece, piece, type Run } from '../../harness/pieces/piece.ts'
import { bytesRequests } from './calls.ts'

const pass: Interceptor = { single: (_call, next) => next() }
const nobody = () => {}

/** As a server has it where somebody counts or logs all calls. */
async function published(library: Library, callers: number): Promise<Run> {
  const { channels } = await library('index')
  const requests = await bytesRequests(library, callers)
  const subscribers = { start: nobody, end: nobody, asyncStart: nobody, asyncEnd: nobody, error: nobody }
  return async (count) => {
    for (const channel of [channels.call, channels.handle]) channel.subscribe(subscribers)
    await requests(count)
    for (const channel of [channels.call, channels.handle]) channel.unsubscribe(subscribers)
  }
}

const one = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }
const four = { ...one, tracestate: 'vendor=value', tenant: 'acme', user: 'u-12345' }

export const observed: readonly Piece[] = [1, 64].flatMap((callers) => [
  piece(`request-${callers}-caller`, `request-${callers} with an interceptor of the caller that passes`, (library) =>
    bytesRequests(library, callers, { interceptors: { caller: [pass] } })
  ),
  piece(`request-${callers}-handler`, `request-${callers} with an interceptor of the handler that passes`, (library) =>
    bytesRequests(library, callers, { interceptors: { handler: [pass] } })
  ),
  piece(`request-${callers}-published`, `request-${callers} with subscribers of all channels of calls`, (library) =>
    published(library, callers)
  ),
  piece(`request-${callers}-metadata`, `request-${callers} with \`traceparent\` in its metadata`, (library) =>
    bytesRequests(library, callers, {}, { metadata: one })
  ),
  piece(`request-${callers}-metadata-4`, `request-${callers} with four short texts in its metadata`, (library) =>
    bytesRequests(library, callers, {}, { metadata: four })
  )
])

/** The server side of contestants over HTTP/1.1. */

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServerSide } from './contestant.ts'

/** In ms. Between its turns a contestant idles for seconds; none of the others has to connect anew then. */
export const keepAliveTimeout = 600_000

export async function listenHttp(respond: RequestListener): Promise<ServerSide> {
  const server = createServer({ keepAliveTimeout }, respond).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

/** An HTTP server on loopback whose answers can be replaced by faults, for servers that speak the protocol of a registry. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answering = (request: IncomingMessage, response: ServerResponse, url: URL) => void

/** That of `node:https`, with its certificate, for one. */
export type Create = (listener: RequestListener) => ReturnType<typeof createServer>

/** Answers of servers that are broken, or in whose place something else answers. */
export const faults = {
  status: (status: number, text = '') => ((_, response) => response.writeHead(status).end(text)) as Answering,
  garbage: (_: IncomingMessage, response: ServerResponse) => void response.end('<html>not found</html>'),
  empty: (_: IncomingMessage, response: ServerResponse) => void response.end(),
  silence: () => undefined,
  /** Half of an answer. */
  cut: (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 1000 }).write('{"items": [')
    setImmediate(() => response.destroy())
  },
  /** A redirect to where the token must not go. */
  redirect: (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  /** More than any memory holds, as fast as it is read, in one line. */
  endless: (_: IncomingMessage, response: ServerResponse) => {
    const chunk = Buffer.alloc(65_536, '{"a":')
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response
      .writeHead(200)
      .on('drain', more)
      .on('error', () => undefined)
    more()
  }
} satisfies Record<string, unknown>

export class FaultyServer {
  /** The paths that were asked for, with their query. */
  readonly asked: string[] = []
  /** What each of them had in `authorization`. */
  readonly tokens: (string | undefined)[] = []
  /** Answers in the place of the server, where it is set. */
  fault: Answering | undefined
  readonly #server
  /** As without a fault. */
  readonly answer: Answering

  constructor(answer: Answering, create: Create = createServer) {
    this.answer = answer
    this.#server = create((request, response) => {
      response.on('error', () => undefined)
      response.setHeader('content-type', 'application/json')
      const url = new URL(request.url ?? '/', 'http://server')
      this.asked.push(url.pathname + url.search)
      this.tokens.push(request.headers.authorization ?? (request.headers['x-consul-token'] as string | undefined))
      const answering = this.fault ?? this.answer
      answering(request, response, url)
    })
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Cuts all of its conns, as a process that is killed does. */
  cut(): void {
    this.#server.closeAllConnections()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }
}

/**
 * Requests of the sources that speak HTTP: whole JSON answers, and answers of JSON lines without end.
 *
 * Bounded in time and in bytes, whatever the server does. No redirects, no proxies. All sockets end with the signal.
 */

import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { readJsonLines } from './json-lines.ts'
import type { DiscoveryOptions } from './options.ts'
import { within } from './search.ts'

export type HttpHeaders = Readonly<Record<string, string>>

export interface HttpOptions extends DiscoveryOptions {
  /** Sent with each request, such as a token. A function is called before each one, so that a token can change. */
  readonly headers?: HttpHeaders | (() => HttpHeaders | Promise<HttpHeaders>)
  /**
   * For `https`: `ca`, `cert`, `key`, `servername`, ... as of `tls.connect`. A function is called before each request, so that
   * certificates can change.
   */
  readonly tls?: ConnectionOptions | (() => ConnectionOptions | Promise<ConnectionOptions>)
}

export interface HttpRequest {
  readonly url: URL
  /** As JSON, by POST. Default a GET. */
  readonly body?: object
  /** Until the answer is there as a whole, be it one of lines. */
  readonly timeoutMs: number
}

export interface JsonAnswer {
  readonly value: unknown
  readonly headers: http.IncomingHttpHeaders
}

interface Opened {
  readonly response: IncomingMessage
  /** Ends the request; it is for the reader of the response to stop. */
  readonly timer: ReturnType<typeof setTimeout>
}

/** An answer of thousands of hosts is much smaller. */
const maxAnswerBytes = 16 * 1024 * 1024
/** Of the text of an error that is told. */
const maxErrorBytes = 300

export class HttpClient {
  readonly #options: Pick<HttpOptions, 'headers' | 'tls'>
  readonly #signal: AbortSignal
  readonly #agents = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) }

  constructor(options: Pick<HttpOptions, 'headers' | 'tls'>, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  /** @throws {Error} also for a status that is no success; `statusOf` tells which */
  async json(request: HttpRequest): Promise<JsonAnswer> {
    const { response, timer } = await this.#open(request)
    try {
      const { headers } = response
      return { value: parseJson(await readText(response, maxAnswerBytes)), headers }
    } finally {
      clearTimeout(timer)
      response.destroy()
    }
  }

  /**
   * The values of an answer that has one in each line. It ends when the server ends it.
   *
   * @throws {Error} also when it is cut
   */
  async *lines(request: HttpRequest): AsyncGenerator<unknown> {
    const { response, timer } = await this.#open(request)
    try {
      yield* readJsonLines(response)
    } finally {
      clearTimeout(timer)
      response.destroy()
    }
  }

  /** Ends what is left of the sockets. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  async #open(init: HttpRequest): Promise<Opened> {
    const { url, timeoutMs } = init
    const { headers, tls } = this.#options
    const isSecure = url.protocol === 'https:'
    // What functions of the user are asked for may never come.
    const asked = Promise.all([readOption(headers), isSecure ? readOption(tls) : undefined])
    const [own, secure] = await within(timeoutMs, asked, this.#signal)
    const request = this.#send(init, own, secure)
    let ending: http.ClientRequest | IncomingMessage = request
    const timer = setTimeout(() => ending.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    try {
      const response = await answered(request)
      // Its reader gets the reason; that of the request would not arrive there.
      ending = response
      await throwUnlessGood(url, response)
      return { response, timer }
    } catch (error) {
      clearTimeout(timer)
      request.destroy()
      // The server had closed an idle conn, and this request was quicker than the news of it.
      if (request.reusedSocket && Object(error).code === 'ECONNRESET') return await this.#open(init)
      throw error
    }
  }

  #send({ url, body }: HttpRequest, own: HttpHeaders = {}, secure: ConnectionOptions = {}): http.ClientRequest {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const isSecure = url.protocol === 'https:'
    const ofBody = text === undefined ? {} : { 'content-type': 'application/json' }
    const request = (isSecure ? https : http).request(url, {
      ...secure,
      agent: this.#agents[isSecure ? 'https:' : 'http:'],
      method: text === undefined ? 'GET' : 'POST',
      headers: { accept: 'application/json', ...ofBody, ...own },
      signal: this.#signal
    })
    return request.end(text)
  }
}

export function statusOf(error: unknown): number | undefined {
  const { status } = Object(error)
  return typeof status === 'number' ? status : undefined
}

/** A URL of an answer, under the path of `base`. */
export function urlOf(base: string, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(base)
  url.pathname = url.pathname.replace(/\/$/, '') + path
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

/** The members of an object of JSON, and those of none for anything else. */
export function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value) as Readonly<Record<string, unknown>>
}

/** @throws {Error} when it is none */
export function arrayOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new Error(`an answer without ${what}`)
}

export async function readOption<T extends object>(
  option: T | (() => T | Promise<T>) | undefined
): Promise<T | undefined> {
  return typeof option === 'function' ? await option() : option
}

function answered(request: http.ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    // Stays there: a socket that fails later tells the response as well.
    request.on('error', reject)
  })
}

async function throwUnlessGood({ host, pathname }: URL, response: IncomingMessage): Promise<void> {
  const { statusCode: status = 0 } = response
  if (status >= 200 && status < 300) return
  const text = await readText(response, maxErrorBytes, true).catch(() => '')
  response.destroy()
  throw Object.assign(new Error(`${host}${pathname} answers ${status}${text === '' ? '' : `: ${text.trim()}`}`), {
    status
  })
}

async function readText(response: IncomingMessage, maxBytes: number, isCutAllowed = false): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes <= maxBytes) continue
    if (isCutAllowed) break
    throw new Error(`an answer of more than ${maxBytes} bytes`)
  }
  return Buffer.concat(chunks).toString('utf8', 0, Math.min(bytes, maxBytes))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error('an answer that is not JSON', { cause })
  }
}

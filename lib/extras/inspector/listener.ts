/**
 * The HTTP side of the page: its rule first, then what is asked for. Nothing without the rule, no cookie, no third party, and
 * bounds on everything: pages, requests a second, bodies.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Rule } from '../../index.ts'
import { assetOf } from './assets.ts'
import type { Opened, Pages } from './pages.ts'
import type { TraceFilter } from './trace.ts'

/** Requests: a page makes four when it is loaded, and one for each detail that is opened. */
const rate = { burst: 120, perSecond: 20 } as const
/** Longer addresses are none of ours. */
const maxUrl = 4096
/** A rule that has not answered by then has said no. */
const defaultRuleMs = 10_000

const headers = {
  'content-security-policy': [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'"],
    ...["form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
  ].join('; '),
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

export class Listener {
  readonly #allow: Rule<IncomingMessage>
  readonly #path: string
  readonly #pages: Pages
  readonly #ruleMs: number
  #tokens: number = rate.burst
  #filledMs = performance.now()

  /** @param path without a slash at its end */
  constructor(allow: Rule<IncomingMessage>, path: string, pages: Pages, ruleMs = defaultRuleMs) {
    this.#ruleMs = ruleMs
    this.#allow = allow
    this.#path = path
    this.#pages = pages
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (!(await this.#isAllowed(request))) {
      return refuse(response, 403, 'You may not look at this grid: the rule of this page said no.')
    }
    if (response.destroyed) return
    const problem = this.#problemOf(request)
    if (problem !== undefined) return refuse(response, ...problem)
    const { pathname, searchParams } = addressOf(request.url)
    const seen = seenPathOf(request, pathname)
    const name = this.#nameOf(pathname, seen !== pathname)
    if (name === undefined) return refuse(response, 404, 'There is nothing here.')
    // The files of the page are named beside it: its own address ends with a slash.
    if (name === '' && !seen.endsWith('/')) {
      response.writeHead(308, { location: `./${seen.slice(seen.lastIndexOf('/') + 1)}/` }).end()
      return
    }
    if (!this.#open(request, response, name, searchParams)) this.#file(request, response, name)
  }

  /** What is asked for, below the path; where a router has taken a part of the address away, that part may be the path. */
  #nameOf(pathname: string, isMounted: boolean): string | undefined {
    for (const path of isMounted ? [this.#path, ''] : [this.#path]) {
      if (pathname === path) return ''
      if (pathname.startsWith(`${path}/`)) return pathname.slice(path.length + 1)
    }
    return undefined
  }

  /** What a rule throws is its no, and so is no word. */
  async #isAllowed(request: IncomingMessage): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    try {
      const answer = this.#allow(request)
      if (typeof answer === 'boolean') return answer
      const late = new Promise<false>((resolve) => {
        timer = setTimeout(resolve, this.#ruleMs, false)
      })
      return (await Promise.race([answer, late])) === true
    } catch {
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  #problemOf(request: IncomingMessage): readonly [status: number, text: string] | undefined {
    const { method, headers: given, url = '' } = request
    if (!this.#take()) return [429, 'Too many requests.']
    if (given['transfer-encoding'] !== undefined || Number(given['content-length'] ?? 0) > 0) {
      return [413, 'No request of this page has a body.']
    }
    if (method !== 'GET' && method !== 'HEAD') return [405, 'This page is only looked at.']
    if (url.length > maxUrl) return [414, 'The address is too long.']
    // Other sites may lead here, and get nothing from here.
    const isForeign = given['sec-fetch-site'] === 'cross-site' && given['sec-fetch-mode'] !== 'navigate'
    return isForeign ? [403, 'Other sites may not read this.'] : undefined
  }

  /** A bucket of tokens, for all who look together. */
  #take(): boolean {
    const nowMs = performance.now()
    this.#tokens = Math.min(rate.burst, this.#tokens + ((nowMs - this.#filledMs) / 1000) * rate.perSecond)
    this.#filledMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** False for what is no feed. */
  #open(request: IncomingMessage, response: ServerResponse, name: string, query: URLSearchParams): boolean {
    const open = this.#feedOf(name, response, query)
    if (open === undefined) return false
    if (request.method === 'HEAD') response.end()
    else if (this.#pages.isClosed) refuse(response, 503, 'This server closes its grid.')
    else {
      const { refused } = open()
      if (refused !== undefined) refuse(response, 503, refused)
    }
    return true
  }

  #feedOf(name: string, response: ServerResponse, query: URLSearchParams): (() => Opened) | undefined {
    const text = (key: string) => query.get(key) ?? ''
    if (name === 'feed') return () => this.#pages.openFeed(response)
    if (name === 'connection') return () => this.#pages.openConnection(response, text('a'), text('b'))
    if (name === 'handler') return () => this.#pages.openHandler(response, text('key'))
    const side = text('side') === 'caller' ? 'caller' : 'handler'
    if (name === 'handlers') return () => this.#pages.openHandlers(response, text('host'), side)
    if (name === 'trace') return () => this.#pages.openTrace(response, toFilter(query))
    return undefined
  }

  #file(request: IncomingMessage, response: ServerResponse, name: string): void {
    const asset = assetOf(name === '' ? 'index.html' : name)
    if (asset === undefined) return refuse(response, 404, 'There is nothing here.')
    response.setHeader('cache-control', 'no-cache')
    response.setHeader('etag', asset.etag)
    if (request.headers['if-none-match'] === asset.etag) {
      response.writeHead(304).end()
      return
    }
    response.writeHead(200, { 'content-type': asset.type, 'content-length': asset.body.length })
    response.end(request.method === 'HEAD' ? undefined : asset.body)
  }
}

/** Whatever a request names: a path, or a whole address as for a proxy. */
function addressOf(url = '/'): URL {
  const origin = 'http://page.invalid'
  return new URL(url.startsWith('/') ? origin + url : URL.canParse(url) ? url : '/*', origin)
}

/** As the browser sees it: routers such as Express keep that in `originalUrl`. */
function seenPathOf(request: IncomingMessage & { readonly originalUrl?: unknown }, pathname: string): string {
  return typeof request.originalUrl === 'string' ? addressOf(request.originalUrl).pathname : pathname
}

function refuse(response: ServerResponse, status: number, text: string): void {
  const extra = status === 405 ? { allow: 'GET, HEAD' } : status === 429 || status === 503 ? { 'retry-after': '5' } : {}
  // What a body is sent after is not read.
  const last = status === 413 || status === 405 ? { connection: 'close' } : {}
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...extra, ...last }).end(`${text}\n`)
}

function toFilter(query: URLSearchParams): TraceFilter {
  const text = (name: string) => {
    const value = query.get(name)
    return value === null || value === '' ? {} : { [name]: value }
  }
  const slowerThanMs = Number(query.get('slower') ?? 0)
  const sample = Number(query.get('sample') ?? 1)
  return {
    ...text('from'),
    ...text('to'),
    ...text('handler'),
    ...(slowerThanMs > 0 && Number.isFinite(slowerThanMs) ? { slowerThanMs } : {}),
    ...(query.get('failed') === '1' ? { failed: true } : {}),
    ...(sample > 0 && sample < 1 ? { sample } : {})
  }
}

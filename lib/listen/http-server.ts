/**
 * Which servers `attach` takes: those of Node that speak HTTP/1.1, on which a WebSocket can be opened.
 *
 * Anything else is refused with a sentence that says what to give instead.
 */

import * as http from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import * as https from 'node:https'
import { Server as NetServer } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { describeValue } from '../base/text.ts'
import { InvalidOptionError } from '../errors/errors.ts'

/** An `Http2SecureServer` only with `allowHTTP1`. */
export type HttpServer = http.Server | https.Server | Http2SecureServer

/** @throws {InvalidOptionError} when `server` is none that can be attached to */
export function checkHttpServer(server: unknown): asserts server is HttpServer {
  if (isHttpServer(server)) return
  throw new InvalidOptionError(`attach() takes an http.Server or an https.Server; this is ${toAdvice(server)}`)
}

/** HTTP/2 is served, beside HTTP/1.1. */
export function isHttp2(server: HttpServer): server is Http2SecureServer {
  return !(server instanceof http.Server || server instanceof https.Server)
}

function isHttpServer(server: unknown): server is HttpServer {
  if (server instanceof http.Server || server instanceof https.Server) return true
  // Of the servers of `node:http2`, that with `allowHTTP1` alone has the options of HTTP/1.1.
  return server instanceof TlsServer && 'headersTimeout' in server
}

function toAdvice(thing: unknown): string {
  if (typeof thing === 'function') {
    return 'a function (an Express app?): give what app.listen() or http.createServer(app) returns'
  }
  if (typeof thing !== 'object' || thing === null) return describeValue(thing)
  if (thing instanceof NetServer) {
    // The classes of `node:http2` are not exported.
    return /^Http2/.test(thing.constructor.name)
      ? 'an HTTP/2 server, and peers speak HTTP/1.1: give http2.createSecureServer({ allowHTTP1: true }) or another HTTP server'
      : 'a server without HTTP: hand each of its sockets to incomingConn(duplexConn(socket))'
  }
  for (const name of ['server', 'listener', 'httpServer']) {
    if (isHttpServer(Reflect.get(thing, name))) return `an object that has one: give its "${name}"`
  }
  return `${describeValue(thing)}: give what http.createServer() returns`
}

/** The event of a socket that carries HTTP. */
export function toConnectionEvent(server: HttpServer): 'connection' | 'secureConnection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection'
}

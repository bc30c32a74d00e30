/**
 * `undici` over HTTP/1.1 to `node:http`: a Pool of many connections, each with one request at a time.
 *
 * HTTP/1.1 answers in order on a connection, so a Pool is how it is made fast. 8 to 64 connections, with and without
 * pipelining, made no difference beyond noise; a single one with pipelining was slower. `request` is what its users
 * call; its lowest level, `dispatch`, is 1.2 to 1.4 times as fast with 64 callers. Streams from the server are bodies,
 * so bytes, each on a connection of its own.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Pool } from 'undici'
import { versionOf } from '../../harness/contest/contestant.ts'
import { ended, keepAliveTimeout, listenHttp, whole } from '../../harness/http.ts'
import { type ClientSide, type Contestants, each } from '../contestant.ts'
import { writeAll } from '../push.ts'

const connections = 64

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await whole(request)
  if (request.url === '/echo') response.end(body)
  else writeAll(response, JSON.parse(body.toString()))
}

async function connect(address: string): Promise<ClientSide> {
  const keepAlive = { keepAliveTimeout, keepAliveMaxTimeout: keepAliveTimeout }
  const pool = new Pool(address, { connections, pipelining: 1, ...keepAlive })
  return {
    streamsBytes: true,
    async request(payload) {
      const { body } = await pool.request({ path: '/echo', method: 'POST', body: payload })
      return await body.bytes()
    },
    serverStreams: each(async (plan, take) => {
      const { body } = await pool.request({ path: '/push', method: 'POST', body: JSON.stringify(plan) })
      await ended(body, take)
    })
  }
}

export const contestants: Contestants = {
  undici: { version: versionOf('undici'), listen: () => listenHttp(respond), connect }
}

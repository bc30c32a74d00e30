/**
 * `undici` over HTTP/1.1 to `node:http`: a Pool of many connections, each with one request at a time.
 *
 * HTTP/1.1 answers in order on a connection, so a Pool is how it is made fast. 8 to 64 connections, with and without
 * pipelining, made no difference beyond noise; a single one with pipelining was slower. `request` is what its users
 * call; its lowest level, `dispatch`, is 1.2 to 1.4 times as fast with 64 callers. Streams from the server are bodies,
 * so bytes, each on a connection of its own.
 */

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { Pool } from 'undici'
import type { ClientSide, Contestant, ServerSide, StreamPlan } from '../contestant.ts'
import { keepAliveTimeout, listenHttp } from '../http-side.ts'
import { writeAll } from '../push.ts'
import { whole } from './body.ts'

const connections = 64

const listen = (): Promise<ServerSide> => listenHttp(respond)

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await whole(request)
  if (request.url === '/echo') response.end(body)
  else writeAll(response, JSON.parse(body.toString()))
}

async function connect(address: string): Promise<ClientSide> {
  const pool = new Pool(address, {
    connections,
    pipelining: 1,
    keepAliveTimeout,
    keepAliveMaxTimeout: keepAliveTimeout
  })
  return {
    async request(payload) {
      const { body } = await pool.request({ path: '/echo', method: 'POST', body: payload })
      return await body.bytes()
    },
    async serverStreams(plans, take) {
      const consume = async (plan: StreamPlan, i: number) => {
        const { body } = await pool.request({ path: '/push', method: 'POST', body: JSON.stringify(plan) })
        body.on('data', (piece) => take(i, piece))
        await once(body, 'end')
      }
      await Promise.all(plans.map(consume))
    },
    close: () => pool.destroy()
  }
}

const { version } = createRequire(import.meta.url)('undici/package.json') as { version: string }

export const contestants: Record<string, Contestant> = { undici: { version, streamsBytes: true, listen, connect } }

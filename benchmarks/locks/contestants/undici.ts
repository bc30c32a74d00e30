/**
 * Locks over `undici` and HTTP/1.1 to `node:http`: each call a POST with a body of JSON.
 *
 * `undici` is what its users have: `request`, a Pool of a connection per caller, no pipelining. `undici-fast` is the
 * fastest that was found: `dispatch` below it, and 8 connections of up to 8 calls each. With 1 to 64 connections, with
 * and without pipelining, nothing was faster; few connections matter more on a busy machine, `dispatch` on a quiet one.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import type { LockArgs, LockReply } from '../../../lib/extras/locks/definitions.ts'
import { type Contestant, type Contestants, versionOf } from '../../harness/contest/contestant.ts'
import { keepAliveTimeout, listenHttp, whole } from '../../harness/http.ts'
import type { LockSide } from '../drive.ts'
import { openTable } from '../open-table.ts'

const headers = { 'content-type': 'application/json' }

async function listen(): Promise<string> {
  const table = openTable()
  const actions: Readonly<Record<string, (args: LockArgs) => unknown>> = {
    '/rlock': (args) => table.lock('read', args),
    '/runlock': (args) => table.unlock('read', args)
  }
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await whole(request)
    try {
      const reply = actions[request.url ?? '']?.(JSON.parse(body.toString()))
      if (reply === undefined) response.writeHead(204).end()
      else response.setHeader('content-type', 'application/json').end(JSON.stringify(reply))
    } catch (error) {
      response.writeHead(409).end((error as Error).message)
    }
  }
  return await listenHttp(respond)
}

/** Makes a call. Resolves with the body of a success, rejects with that of anything else. */
type Post = (path: string, args: LockArgs) => Promise<string>

function byRequest(pool: Pool): Post {
  return async (path, args) => {
    const { statusCode, body } = await pool.request({ path, method: 'POST', headers, body: JSON.stringify(args) })
    const text = await body.text()
    if (statusCode >= 300) throw new Error(text)
    return text
  }
}

function byDispatch(pool: Pool): Post {
  return (path, args) =>
    new Promise((resolve, reject) => {
      let status = 0
      let text = ''
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData(_controller, piece) {
          // Whatever an answer holds here is ASCII.
          text += piece.toString('latin1')
        },
        onResponseEnd() {
          if (status < 300) resolve(text)
          else reject(new Error(text))
        },
        onResponseError: (_controller, error) => reject(error)
      }
      // Only what is called idempotent is pipelined.
      pool.dispatch({ path, method: 'POST', headers, idempotent: true, body: JSON.stringify(args) }, handler)
    })
}

function make(postBy: (pool: Pool) => Post, connections: number, pipelining: number): Contestant<LockSide> {
  const connect = async (address: string): Promise<LockSide> => {
    const pool = new Pool(address, { connections, pipelining, keepAliveTimeout, keepAliveMaxTimeout: keepAliveTimeout })
    const post = postBy(pool)
    return {
      owner: 'http://client:1',
      rlock: async (args) => JSON.parse(await post('/rlock', args)) as LockReply,
      runlock: (args) => post('/runlock', args)
    }
  }
  return { version: versionOf('undici'), listen, connect }
}

export const contestants: Contestants<LockSide> = {
  undici: make(byRequest, 64, 1),
  'undici-fast': make(byDispatch, 8, 8)
}

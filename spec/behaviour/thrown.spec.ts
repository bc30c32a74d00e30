/** What code of the user throws where nobody awaits it: the log leads to its line. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import {
  dialGuest,
  json,
  type LogFields,
  type Logger,
  type ManagerOptions,
  silentLogger,
  single
} from '../../lib/index.ts'
import { secret } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const vote = single<void, boolean>('vote', { response: json() })

/** The mistake, in a function whose name the stack has. */
function mistaken(): never {
  throw new TypeError('a mistake of mine')
}

interface Told {
  readonly text: string
  readonly fields: LogFields | undefined
}

/** A server that knows only itself, and what it complains of in its log. */
async function server(test: TestContext, options: Partial<ManagerOptions> = {}) {
  const told: Told[] = []
  const tell = (text: string, fields?: LogFields) => void told.push({ text, fields })
  const logger: Logger = { ...silentLogger, warn: tell, error: tell }
  const name = 'http://a'
  const servers = new Servers(test)
  const node = await servers.node(name, [name], { logger, ...options })
  return { ...node, told, dialer: servers.dialer }
}

async function isTold(told: readonly Told[], what: string): Promise<void> {
  await until(() => told.length > 0, 'it is logged')
  const [{ text, fields } = { text: '', fields: {} }] = told
  assert.match(text, new RegExp(`^${what}: a mistake of mine\\n    at .*mistaken \\(.*thrown\\.spec`))
  assert.equal((fields?.error as Error | undefined)?.message, 'a mistake of mine')
}

describe('what code of the user throws where nobody awaits it is logged with its stack, of', () => {
  it('a source of hosts', async (test) => {
    async function* hosts(): AsyncGenerator<string[]> {
      yield ['http://a']
      mistaken()
    }
    const { told } = await server(test, { hosts: hosts() })
    await isTold(told, 'the source of hosts failed')
  })

  it('a source of hosts as it is ended', async (test) => {
    async function* hosts(): AsyncGenerator<string[]> {
      try {
        for (;;) yield ['http://a']
      } finally {
        mistaken()
      }
    }
    const { told, manager } = await server(test, { hosts: hosts() })
    await manager.close()
    await isTold(told, 'the source of hosts failed to end')
  })

  it('a listener of a connection', async (test) => {
    const { told, manager } = await server(test)
    manager.connection('http://a').on('state', mistaken)
    await manager.close()
    await isTold(told, 'a listener of "state" of the connection to http://a threw')
    assert.equal(told[0]?.fields?.host, 'http://a')
  })

  it('allowOrigin', async (test) => {
    const { told, server: http } = await server(test, { allowOrigin: mistaken })
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      origin: 'http://page',
      'sec-websocket-version': '13'
    }
    const key = { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-protocol': 'it-grid.v1' }
    const sent = request(`${http.url}/grid/v1`, { headers: { ...headers, ...key } }).end()
    const [response] = await once(sent, 'response')
    assert.equal(response.resume().statusCode, 403)
    await isTold(told, 'allowOrigin failed, the upgrade is refused')
  })

  it('guests.admit', async (test) => {
    const guests = { admit: mistaken, allow: () => true }
    const { told, dialer } = await server(test, { guests })
    await rejection(dialGuest('http://a', { auth: secret, dialer, logger: silentLogger }))
    await isTold(told, 'guests.admit failed, guest:.* is refused')
  })

  it('serveWhen', async (test) => {
    const { told } = await server(test, { serveWhen: (async () => mistaken())() })
    await isTold(told, 'http://a refuses all calls, since serveWhen rejected')
  })

  it('accept and undo of a quorum', async (test) => {
    const { told, manager } = await server(test)
    manager.handle(vote, () => true)
    const options = { need: 1, hosts: ['http://a'], self: true }
    await rejection(manager.quorum(vote, undefined, { ...options, accept: mistaken }))
    await isTold(told, 'accept of quorum\\(\\) threw at the answer of http://a')
    told.length = 0
    await rejection(manager.quorum(vote, undefined, { ...options, accept: () => false, undo: mistaken }))
    await isTold(told, 'undo of quorum\\(\\) at http://a failed')
  })
})

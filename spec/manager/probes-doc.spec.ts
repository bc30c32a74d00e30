/** The probes of docs/shutdown.md answer as the page says, in a server that starts and closes. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { it } from 'node:test'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { until } from '../support/until.ts'

it('the probes of docs/shutdown.md answer 503 and the reasons until the server is ready, and again when it closes', async (test) => {
  const code = new MarkdownFile('docs/shutdown.md').code('ts').find((text) => text.includes('grid.health(')) ?? ''
  const servers = new Servers(test)
  const { dialer, listener, back } = await servers.pair()
  const create = new Function('createServer', 'grid', `${code}\nreturn server`)
  const server = servers.watch(await new TestServer(create(createServer, listener.manager)).listen())
  const probe = async (path: string) => {
    const response = await fetch(`${server.url}${path}`, { headers: { connection: 'close' } })
    return [response.status, await response.text()]
  }
  await back.waitForConnect()
  assert.deepEqual(
    [await probe('/livez'), await probe('/readyz')],
    [
      [200, ''],
      [200, '']
    ]
  )
  await dialer.kill()
  await until(async () => (await probe('/readyz'))[0] === 503, 'it is noticed')
  assert.match(String((await probe('/readyz'))[1]), /^0 of the 1 peers that are needed: /)
  assert.equal((await probe('/livez'))[0], 200)
  await listener.manager.close()
  const [, local] = namesInOrder()
  assert.deepEqual((await probe('/livez'))[0], 503)
  assert.ok(String((await probe('/readyz'))[1]).startsWith(`${local} is closed`))
})

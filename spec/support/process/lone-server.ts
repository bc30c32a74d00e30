/**
 * A server process for specs: a manager and an HTTP server, which are closed on the word `close` and then leave the
 * process nothing to live for. Prints its URL first, `holding` when it was called, and `closed`. Arguments: its name, the
 * name of its peer, the URL of its peer.
 */

import { createServer } from 'node:http'
import { connectWS, Manager } from '../../../lib/index.ts'
import { LogBook, secret } from '../grid/manager.ts'

const [local = '', peer = '', url = ''] = process.argv.slice(2)
const server = createServer()
const manager = new Manager({
  local,
  hosts: [local, peer],
  auth: secret,
  logger: new LogBook(),
  dialer: (_address, options) => connectWS()(url, options)
})
manager.handle('hold', () => {
  process.stdout.write('holding\n')
  return new Promise<Uint8Array>(() => {})
})
manager.attach(server)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`)
})
process.stdin.once('data', async () => {
  process.stdin.destroy()
  await manager.close({ timeout: 300 })
  server.close()
  process.stdout.write('closed\n')
})

/** `inspect`: serves the inspector page of a grid on loopback, and looks at the grid as a guest of each server. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspector } from '../inspector/index.ts'
import type { Command, Run } from './command.ts'
import { UsageError } from './exit.ts'
import { GuestGrid } from './guest-grid.ts'
import { onlyHostOf } from './hosts.ts'
import { toJson } from './values.ts'

export const inspect: Command = {
  name: 'inspect',
  summary: 'serve the page that shows a grid, on this machine',
  usage: 'HOST',
  about: `Prints the address of the page, which nobody can guess, and serves it until Ctrl-C, on 127.0.0.1 only. All servers that the
host knows are looked at, each by a guest of its own. Needs the option introspection at each of them,
with a rule that admits this guest.

  it-grid inspect http://node-1:9000`,
  options: { port: { value: 'PORT', help: 'of the page; default any that is free' } },
  run: runInspect
}

async function runInspect(run: Run): Promise<undefined> {
  const host = onlyHostOf(run)
  const { options, out, signal } = run
  const port = options.whole('port', 1, 65_535) ?? 0
  const grid = new GuestGrid(host, run.dial)
  await grid.open()
  // Other users of this machine reach the port, too: the path is what they do not know.
  const path = `/${randomBytes(16).toString('base64url')}`
  const server = createServer(inspector(grid, { allow: isForLoopback, path }))
  try {
    const url = `http://127.0.0.1:${await listen(server, port)}${path}/`
    await out.line(options.has('json') ? toJson({ url }) : url)
    if (!signal.aborted) await once(signal, 'abort')
    throw signal.reason
  } finally {
    await grid.close()
    server.close()
    server.closeAllConnections()
  }
}

/** A page of another site has another name for this address, whatever that resolves to. */
function isForLoopback({ headers: { host = '' } }: IncomingMessage): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new UsageError(`--port ${port} cannot be used: ${(error as NodeJS.ErrnoException).code}`)
  }
  return (server.address() as AddressInfo).port
}

/** Three chat servers, each as a process of its own. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** Resolves when each of them is connected to the others. */
export async function startServers(hosts: readonly string[]): Promise<ChildProcess[]> {
  const servers = hosts.map((host) =>
    fork(new URL('server.ts', import.meta.url), [host, hosts.join()], { execArgv: ['--import', 'tsx'] })
  )
  await Promise.all(servers.map((server) => once(server, 'message')))
  return servers
}

/** A manager on an HTTP server of its own, in a process that a driver tells what to do. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Manager, ManagerOptions } from '../../../lib/index.ts'
import { dialerTo, testManager } from '../grid/manager.ts'

export interface ServerInit {
  readonly local: string
  readonly hosts: readonly string[]
  /** Default one that is free. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly address?: string
  /** Where each name that does not resolve is to be reached. */
  readonly urls?: Readonly<Record<string, string>>
}

/** Starts both; the words are those that every server obeys. */
export function startServer({ local, hosts, port, address, urls }: ServerInit, options: Partial<ManagerOptions> = {}) {
  const manager: Manager = testManager({ local, hosts, dialer: dialerTo((name) => urls?.[name]), ...options })
  const server = createServer()
  manager.attach(server)
  const listening = once(server.listen(port ?? 0, address ?? '127.0.0.1'), 'listening')
  const words = {
    /** Resolves when it listens. */
    async listening() {
      await listening
      return { port: (server.address() as AddressInfo).port, instance: manager.instance }
    },
    async close(timeout = 1000) {
      await manager.close({ timeout })
      server.close()
    }
  }
  return { manager, server, words }
}

export type ServerWords = ReturnType<typeof startServer>['words']

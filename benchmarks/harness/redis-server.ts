/** Debian's redis-server on a port of its own, without persistence, for as long as this process lives. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const program = '/usr/bin/redis-server'
const startTimeoutMs = 10_000
/** Ends the server when its standard input ends: with this process, however that ends. */
const script = `"$0" "$@" >/dev/null & pid=$!; cat; kill -9 $pid; wait`

export interface RedisServer {
  readonly port: number
  kill(): Promise<void>
}

/** Resolves when it listens. */
export async function startRedis(port: number): Promise<RedisServer> {
  if (!existsSync(program)) throw new Error(`there is no ${program}`)
  const options = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no']
  const shell = spawn('/bin/sh', ['-c', script, program, ...options], { stdio: ['pipe', 'ignore', 'ignore'] })
  const closed = once(shell, 'close')
  for (const endMs = performance.now() + startTimeoutMs; !(await isListening(port)); await delay(10)) {
    if (performance.now() > endMs || shell.exitCode !== null) throw new Error(`${program} did not start`)
  }
  return {
    port,
    async kill() {
      shell.stdin.end()
      await closed
    }
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Not yet.
    return false
  } finally {
    socket.destroy()
  }
}

/** Whether a server can be reached at all: its name resolves, and something accepts conns at its port. Knows no grid. */

import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { type Finding, Findings } from './finding.ts'

/** Where a server is looked for. */
export interface Target {
  readonly host: string
  /** Where it is reached, by `http` or `https`. */
  readonly url: URL
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface Place {
  readonly hostname: string
  readonly port: number
  readonly isSecure: boolean
}

/** What answered, and how long it took. */
export interface Reached {
  readonly address: string
  readonly connectMs: number
}

export function toPlace({ url }: Target): Place {
  const isSecure = url.protocol === 'https:'
  // An IPv6 address is in brackets there.
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { hostname, port: Number(url.port || (isSecure ? 443 : 80)), isSecure }
}

/** Whether it answers at the level of TCP; undefined where it does not. */
export async function* reach(target: Target): AsyncGenerator<Finding, Reached | undefined> {
  const findings = new Findings(target.host)
  const { hostname, port } = toPlace(target)
  let addresses = [hostname]
  if (isIP(hostname) === 0) {
    try {
      addresses = (await within(target, lookup(hostname, { all: true }))).map(({ address }) => address)
    } catch (error) {
      target.signal.throwIfAborted()
      const text = `the name ${hostname} does not resolve from this machine (${codeOf(error)})`
      yield findings.fault('name', 'nameUnknown', text, 'check the spelling, and DNS or /etc/hosts of this machine')
      return undefined
    }
    yield findings.good('name', `${hostname} is ${addresses.join(', ')}`)
  }
  const failures: string[] = []
  for (const address of addresses) {
    try {
      const startMs = performance.now()
      const socket = await openSocket(target, address, port)
      socket.destroy()
      const connectMs = performance.now() - startMs
      yield findings.good('port', `port ${port} of ${address} accepts conns, in ${toText(connectMs)}`)
      return { address, connectMs }
    } catch (error) {
      target.signal.throwIfAborted()
      failures.push(`${address}: ${codeOf(error)}`)
    }
  }
  yield tellClosed(findings, port, failures)
  return undefined
}

function tellClosed(findings: Findings, port: number, failures: readonly string[]): Finding {
  const all = failures.join('; ')
  if (failures.every((text) => text.endsWith('ECONNREFUSED'))) {
    const text = `nothing listens at port ${port} (${all})`
    const advice =
      'start the server, or check the port of its name; a server on 127.0.0.1 only is not reached from elsewhere'
    return findings.fault('port', 'portClosed', text, advice)
  }
  const text = `no conn to port ${port} can be made (${all})`
  return findings.fault('port', 'noRoute', text, 'check the address, firewalls and network policies on the way')
}

export function openSocket(target: Target, address: string, port: number): Promise<Socket> {
  const socket = connect({ host: address, port })
  return whenReady(target, socket, 'connect')
}

/** Resolves with the socket at its event `name`; destroys it where that does not come. */
export async function whenReady<S extends Socket>(target: Target, socket: S, name: string): Promise<S> {
  const ready = new Promise<S>((resolve, reject) => {
    socket.once(name, () => resolve(socket))
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
    // Also one that comes later.
    socket.on('error', reject)
  })
  try {
    return await within(target, ready)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Waits no longer than the target has time. */
export async function within<T>({ timeoutMs, signal }: Target, work: Promise<T>): Promise<T> {
  let end = () => {}
  const over = new Promise<never>((_, reject) => {
    const code = 'ETIMEDOUT'
    const timer = setTimeout(() => reject(Object.assign(new Error(`not within ${timeoutMs} ms`), { code })), timeoutMs)
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  })
  try {
    return await Promise.race([work, over])
  } finally {
    end()
    work.catch(() => undefined)
  }
}

/** The code of an error of the system, or what it says. */
export function codeOf(error: unknown): string {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? code : String(message)
}

export function toText(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

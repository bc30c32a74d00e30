/**
 * The state of the demo: the server processes, the folder that serves as the disk of one of them, and the sockets between
 * them, combined from what each process counts by itself.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { GridPlan, OpenSocket, Outcome } from './ipc.ts'
import { allowed, ServerProcess } from './processes.ts'
import type { Report } from './report.ts'

/** By then all dials are over, on an idle machine. */
const settleMs = 1_000
/** The default of a grant is half a minute. */
const idleLockTtlMs = 1_000

/** One open socket between two servers, as both of its ends see it. */
export interface Link extends OpenSocket {
  readonly dialer: string
  readonly listener: string
}

export interface Disk {
  readonly folder: string
  readonly files: number
  readonly bytes: number
}

export class World {
  readonly report: Report
  readonly disk: Disk
  readonly secret: string
  readonly servers: ServerProcess[] = []
  #lockTtlMs: number | undefined

  constructor(report: Report, secret: string) {
    this.report = report
    this.secret = secret
    this.disk = makeDisk()
  }

  get names(): string[] {
    return this.servers.map(({ name }) => name)
  }

  /** How long a grant of a lock lasts. Long enough for this machine, as it was when the servers started. */
  get lockTtlMs(): number {
    this.#lockTtlMs ??= allowed(idleLockTtlMs)
    return this.#lockTtlMs
  }

  get plan(): GridPlan {
    const { secret, disk, lockTtlMs } = this
    return { servers: this.servers.map(({ name, host }) => ({ name, host })), secret, disk: disk.folder, lockTtlMs }
  }

  /** The current process of the server of this name. */
  server(name: string): ServerProcess {
    const found = this.servers.find((server) => server.name === name)
    if (found === undefined) throw new Error(`there is no server ${name}`)
    return found
  }

  /** Starts `name` again, on its old port. */
  async restart(name: string): Promise<ServerProcess> {
    const old = this.server(name)
    const started = await ServerProcess.start(name, old.port)
    this.servers[this.servers.indexOf(old)] = started
    return started
  }

  /** Every open socket of the grid. A socket that only one end knows has `?` as the other end, so that it is counted too. */
  async links(): Promise<Link[]> {
    const ends = await Promise.all(
      this.servers.map(async (server) => ({ server, sockets: await server.ask('sockets') }))
    )
    const links: Link[] = []
    for (const { server, sockets } of ends) {
      for (const socket of sockets.accepted) {
        const dialer = ends.find((end) => end.sockets.dialed.some((each) => each.ports === socket.ports))
        links.push({ ...socket, dialer: dialer?.server.name ?? '?', listener: server.name })
      }
      for (const socket of sockets.dialed) {
        const isAccepted = ends.some((end) => end.sockets.accepted.some((each) => each.ports === socket.ports))
        if (!isAccepted) links.push({ ...socket, dialer: server.name, listener: '?' })
      }
    }
    return links
  }

  /** The sockets, once there is exactly one for each pair, or after `timeoutMs` whatever there is. */
  async linksOncePerPair(): Promise<Link[]> {
    const deadline = performance.now() + allowed(settleMs)
    for (;;) {
      const links = await this.links()
      if (isOncePerPair(links, this.names) || performance.now() > deadline) return links
      await delay(20)
    }
  }

  /** The error of a failed call as text, with the names of servers instead of their hosts. */
  told({ error, value }: Outcome): string {
    if (error === undefined) return `it did not fail, its value is ${JSON.stringify(value)}`
    const text = this.servers.reduce((text, { host, name }) => text.replaceAll(host, name), error.text)
    const delivery = error.delivery === undefined ? '' : `, delivery "${error.delivery}"`
    return `${error.name}${delivery}: ${text}`
  }

  close(): void {
    rmSync(this.disk.folder, { recursive: true, force: true })
  }
}

/** The pairs of servers that are connected by exactly one socket. */
export function singlePairs(links: readonly Link[], names: readonly string[]): string[] {
  const pairs: string[] = []
  for (const [at, one] of names.entries()) {
    for (const other of names.slice(at + 1)) {
      const between = links.filter(
        ({ dialer, listener }) => (dialer === one && listener === other) || (dialer === other && listener === one)
      )
      if (between.length === 1) pairs.push(`${one} ${other}`)
    }
  }
  return pairs
}

export function isOncePerPair(links: readonly Link[], names: readonly string[]): boolean {
  const pairs = (names.length * (names.length - 1)) / 2
  return links.length === pairs && singlePairs(links, names).length === pairs
}

/** A folder with subfolders that hold files of different sizes. */
function makeDisk(): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'it-grid-demo-'))
  let [files, bytes] = [0, 0]
  for (let at = 0; at < 30; at++) {
    const inner = join(folder, 'photos', `album-${at}`)
    mkdirSync(inner, { recursive: true })
    for (let nr = 0; nr < 15; nr++) {
      const size = (files * 131) % 2048
      writeFileSync(join(inner, `photo-${nr}.raw`), new Uint8Array(size))
      files += 1
      bytes += size
    }
  }
  return { folder, files, bytes }
}

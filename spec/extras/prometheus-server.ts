/** A real Prometheus that scrapes a registry of this process, where the Debian package `prometheus` is installed. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort } from '../support/network/free-port.ts'
import { endProcess } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const isInstalled = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0)

/** For the `skip` of a spec. */
export const whyNoPrometheus = isInstalled ? false : 'prometheus is not installed: apt-get install prometheus'

/** What `promtool check metrics` says of the text of a scrape: nothing where all is well. */
export async function promtool(metrics: string): Promise<string> {
  const child = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(metrics)
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return out + error
}

/** Of its HTTP API. */
interface Answer {
  readonly data?: { readonly result: readonly { readonly value: [atSeconds: number, text: string] }[] }
  readonly error?: string
}

export class Prometheus {
  readonly #process: ChildProcess
  readonly #server: Server
  readonly #folder: string
  readonly #url: string

  private constructor(child: ChildProcess, server: Server, folder: string, url: string) {
    this.#process = child
    this.#server = server
    this.#folder = folder
    this.#url = url
  }

  /** Resolves when it answers. It scrapes five times a second. */
  static async start(register: { metrics(): Promise<string>; readonly contentType: string }): Promise<Prometheus> {
    const server = createServer(async (_request, response) => {
      response.setHeader('content-type', register.contentType)
      response.end(await register.metrics())
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-prometheus-'))
    const jobs = [{ job_name: 'grid', scrape_interval: '200ms', static_configs: [{ targets: [target] }] }]
    // YAML takes JSON.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify({ scrape_configs: jobs }))
    const address = `127.0.0.1:${await freePort()}`
    const options = {
      ...{ 'config.file': join(folder, 'prometheus.yml'), 'storage.tsdb.path': join(folder, 'data') },
      ...{ 'web.listen-address': address, 'log.level': 'error' }
    }
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
    const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const prometheus = new Prometheus(child, server, folder, `http://${address}`)
    await until(() => prometheus.#answers(), 'Prometheus answers', 60_000)
    return prometheus
  }

  /** The value of the first series at a moment, in ms since the epoch. */
  async query(query: string, at: number): Promise<number | undefined> {
    const search = new URLSearchParams({ query, time: String(at / 1000) })
    const response = await fetch(`${this.#url}/api/v1/query?${search}`)
    const { data, error } = (await response.json()) as Answer
    if (data === undefined) throw new Error(`${query}: ${error}`)
    const value = data.result[0]?.value[1]
    return value === undefined ? undefined : Number(value)
  }

  async #answers(): Promise<boolean> {
    if (this.#process.exitCode !== null) throw new Error(`Prometheus ended with ${this.#process.exitCode}`)
    return await fetch(`${this.#url}/-/ready`).then(
      ({ ok }) => ok,
      () => false
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#process, 'SIGTERM')
    this.#server.closeAllConnections()
    this.#server.close()
    await rm(this.#folder, { recursive: true })
  }
}

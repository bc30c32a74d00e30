/** A real etcd on loopback, where the Debian package `etcd-server` is installed: it can be frozen, killed and started again. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../support/network/free-port.ts'
import { endProcess } from '../support/process/child.ts'
import { until } from '../support/until.ts'

/** For the `skip` of a spec. */
export const whyNoEtcd =
  spawnSync('etcd', ['--version']).status === 0 ? false : 'etcd is not installed: apt-get install etcd-server'

const encode = (text: string) => Buffer.from(text).toString('base64')

export class Etcd {
  readonly url: string
  readonly #folder: string
  readonly #peerUrl: string
  #process: ChildProcess | undefined

  private constructor(folder: string, url: string, peerUrl: string) {
    this.#folder = folder
    this.url = url
    this.#peerUrl = peerUrl
  }

  static async start(): Promise<Etcd> {
    const [port, peerPort] = await freePorts(2)
    const folder = await mkdtemp(join(tmpdir(), 'it-grid-etcd-'))
    const etcd = new Etcd(folder, `http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`)
    await etcd.start()
    return etcd
  }

  /** With the data that it had. Resolves when it answers. */
  async start(): Promise<void> {
    const options = {
      ...{ 'data-dir': join(this.#folder, 'data'), logger: 'zap', 'log-level': 'error' },
      ...{ 'listen-client-urls': this.url, 'advertise-client-urls': this.url },
      ...{ 'listen-peer-urls': this.#peerUrl, 'initial-advertise-peer-urls': this.#peerUrl },
      // A lease lasts for one and a half elections at least.
      ...{ 'initial-cluster': `default=${this.#peerUrl}`, 'heartbeat-interval': 50, 'election-timeout': 500 },
      'unsafe-no-fsync': undefined
    }
    const args = Object.entries(options).map(([name, value]) => (value === undefined ? '' : `--${name}=${value}`))
    this.#process = spawn('etcd', args.filter(Boolean), { stdio: ['ignore', 'ignore', 'inherit'] })
    try {
      await until(() => this.#answers(), 'etcd answers', 20_000)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  async kill(): Promise<void> {
    await endProcess(this.#process)
    this.#process = undefined
  }

  /** As another server would, that never dies. */
  put(key: string): Promise<unknown> {
    return this.#ask('kv/put', { key: encode(key), value: encode('by hand') })
  }

  delete(key: string): Promise<unknown> {
    return this.#ask('kv/deleterange', { key: encode(key) })
  }

  /** Forgets all that was before the newest revision. */
  async compact(): Promise<void> {
    const { header } = (await this.#ask('kv/range', { key: encode('x') })) as { header: { revision: string } }
    await this.#ask('kv/compaction', { revision: header.revision, physical: true })
  }

  async keys(prefix: string): Promise<string[]> {
    const found = await this.#ask('kv/range', { key: encode(prefix), range_end: encode(`${prefix}~`), keys_only: true })
    const { kvs = [] } = found as { kvs?: { key: string }[] }
    return kvs.map(({ key }) => Buffer.from(key, 'base64').toString())
  }

  /** The ids of all leases that there are. */
  async leases(): Promise<string[]> {
    const { leases = [] } = (await this.#ask('lease/leases', {})) as { leases?: { ID: string }[] }
    return leases.map(({ ID }) => ID)
  }

  revoke(lease: string): Promise<unknown> {
    return this.#ask('lease/revoke', { ID: lease })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true })
  }

  async #ask(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}/v3/${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      // So that no socket of its own is left.
      headers: { connection: 'close' }
    })
    return await response.json()
  }

  async #answers(): Promise<boolean> {
    if (this.#process?.exitCode !== null) throw new Error(`etcd ended with ${this.#process?.exitCode}`)
    return await fetch(`${this.url}/health`, { headers: { connection: 'close' } }).then(
      async (response) => ((await response.json()) as { health: string }).health === 'true',
      () => false
    )
  }
}

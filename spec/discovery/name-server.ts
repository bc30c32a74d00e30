/** A real name server on loopback, where the Debian package `bind9` is installed: its zone changes, it is frozen and killed. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../support/network/free-port.ts'
import { endProcess } from '../support/process/child.ts'
import { until } from '../support/until.ts'

/** For the `skip` of a spec. */
export const whyNoNamed =
  spawnSync('named', ['-v']).status === 0 ? false : 'named is not installed: apt-get install bind9'

/** Of all names. */
export const zone = 'grid.test'

export class NameServer {
  readonly #folder: string
  readonly #port: number
  #process: ChildProcess | undefined
  #serial = 1
  #output = ''

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
  }

  /** @param records one each: `nodes A 127.0.0.1` */
  static async start(...records: readonly string[]): Promise<NameServer> {
    const server = new NameServer(await mkdtemp(join(tmpdir(), 'it-grid-named-')), await freePort())
    await server.#write(records)
    await server.start()
    return server
  }

  /** With the records that it had. Resolves when it answers. */
  async start(): Promise<void> {
    const folder = this.#folder
    const options = [
      `directory "${folder}"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;`,
      `listen-on port ${this.#port} { 127.0.0.1; }; listen-on-v6 { none; };`
    ].join(' ')
    const zones = `zone "${zone}" { type primary; file "${folder}/zone"; };`
    await writeFile(join(folder, 'named.conf'), `options { ${options} };\ncontrols { };\n${zones}\n`)
    // Its keys for a cache of others' records are none of ours.
    const child = spawn('named', ['-g', '-c', join(folder, 'named.conf'), '-n', '1'], {
      stdio: ['ignore', 'ignore', 'pipe']
    })
    this.#process = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    try {
      await until(() => this.#answers(), 'named answers', 20_000)
    } catch (cause) {
      await this.kill()
      throw new Error(`named does not answer: ${this.#output.slice(-1000)}`, { cause })
    }
  }

  /** One that asks this server only. */
  resolver(timeout = 250): Resolver {
    const resolver = new Resolver({ timeout, tries: 1 })
    resolver.setServers([`127.0.0.1:${this.#port}`])
    return resolver
  }

  /** Resolves when it answers by these. */
  async set(...records: readonly string[]): Promise<void> {
    await this.#write(records)
    this.signal('SIGHUP')
    await until(async () => (await this.#readSerial()) === this.#serial, 'named has loaded the records')
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  async kill(): Promise<void> {
    await endProcess(this.#process)
    this.#process = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true })
  }

  async #write(records: readonly string[]): Promise<void> {
    this.#serial += 1
    const head = [
      `$ORIGIN ${zone}.`,
      '$TTL 1',
      `@ SOA ns hostmaster ${this.#serial} 60 60 60 1`,
      '@ NS ns',
      'ns A 127.0.0.1'
    ]
    await writeFile(join(this.#folder, 'zone'), `${[...head, ...records].join('\n')}\n`)
  }

  async #answers(): Promise<boolean> {
    if (this.#process?.exitCode !== null)
      throw new Error(`named ended with ${this.#process?.exitCode}: ${this.#output}`)
    return (await this.#readSerial()) === this.#serial
  }

  async #readSerial(): Promise<number | undefined> {
    const soa = await this.resolver()
      .resolveSoa(zone)
      .catch(() => undefined)
    return soa?.serial
  }
}

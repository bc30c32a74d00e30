/**
 * A real proxy that runs configurations of docs/proxies.md, where Debian's `nginx-light`, `libnginx-mod-stream` and `haproxy`
 * are installed.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../support/network/certificates.ts'
import { freePort } from '../support/network/free-port.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'
import { endProcess } from '../support/process/child.ts'
import { until } from '../support/until.ts'

export const kinds = ['nginx', 'haproxy'] as const
export type Kind = (typeof kinds)[number]

export const page = new MarkdownFile('docs/proxies.md')

/** Of `libnginx-mod-stream`. */
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'
const isThere = {
  nginx: spawnSync('nginx', ['-v']).status === 0 && existsSync(streamModule),
  haproxy: spawnSync('haproxy', ['-v']).status === 0
}

/** For the `skip` of a spec. */
export const whyNot: Readonly<Record<Kind, string | false>> = {
  nginx: isThere.nginx ? false : 'nginx is not installed: apt-get install nginx-light libnginx-mod-stream',
  haproxy: isThere.haproxy ? false : 'haproxy is not installed: apt-get install haproxy'
}

/** That of the proxy, for all names at it. */
export const certificate = await selfSigned(['edge.example', '*.grid.example', 'localhost'])

/** The configuration of the page whose first line says so. */
export function configuration(kind: Kind, title: string): string {
  const [found, ...others] = page.code(kind).filter((text) => text.startsWith(`# ${title}\n`))
  assert.ok(found !== undefined && others.length === 0, `docs/proxies.md has one configuration of ${kind}: "${title}"`)
  return found
}

/** What is to stand in place of something, which must be there. */
export type Changes = readonly (readonly [from: string, to: string])[]

export interface ProxyOptions {
  readonly kind: Kind
  /** Titles of configurations. */
  readonly titles: readonly string[]
  /** The servers at 10.0.0.1:9000 and 10.0.0.2:9000 of the page. */
  readonly ports: readonly [number, number]
  readonly changes?: Changes
}

export class RealProxy {
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'it-grid-proxy-'))
  readonly #options: ProxyOptions
  #child: ChildProcess | undefined
  #output = ''

  private constructor(options: ProxyOptions, port: number) {
    this.#options = options
    this.port = port
    this.#write()
  }

  static async start(options: ProxyOptions): Promise<RealProxy> {
    const proxy = new RealProxy(options, await freePort())
    await proxy.run()
    return proxy
  }

  /** What it has said. */
  get output(): string {
    return this.#output
  }

  /** Resolves when it listens, and can be told to load anew. */
  async run(): Promise<void> {
    const { kind } = this.#options
    const since = this.#output.length
    const file = join(this.#folder, 'proxy.conf')
    const args = kind === 'nginx' ? ['-e', 'stderr', '-c', file] : ['-W', '-f', file]
    const child = spawn(kind, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${kind} ended with ${child.exitCode}: ${this.#output}`)
      return this.#hasLoaded(since) && (await this.#listens())
    }, `${kind} listens`)
  }

  /** As its service does it; resolves when a worker of the new configuration is there. */
  async reload(): Promise<void> {
    const before = this.workers()
    const since = this.#output.length
    this.#child?.kill(this.#options.kind === 'nginx' ? 'SIGHUP' : 'SIGUSR2')
    const isNew = () => this.#hasLoaded(since) && this.workers().some((pid) => !before.includes(pid))
    await until(isNew, 'there is a new worker').catch((error: unknown) => {
      throw new Error(`${this.#output.slice(since)}, workers ${before} and ${this.workers()}`, { cause: error })
    })
  }

  /** Its processes that serve. */
  workers(): number[] {
    const pid = this.#child?.pid
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  }

  async stop(): Promise<void> {
    await endProcess(this.#child, 'SIGTERM')
    this.#child = undefined
  }

  async end(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true })
  }

  /** The worker of HAProxy listens, and its master says that it has loaded, before the master hears signals. */
  #hasLoaded(since: number): boolean {
    if (this.#options.kind === 'nginx') return true
    const caught = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8'))?.[1]
    const hears = (BigInt(`0x${caught ?? 0}`) >> BigInt(constants.signals.SIGUSR2 - 1)) & 1n
    return hears === 1n && this.#output.includes('Loading success', since)
  }

  #listens(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
  }

  #write(): void {
    const { kind, titles, ports, changes = [] } = this.#options
    const texts = titles.map((title) => configuration(kind, title))
    // nginx has sections beside `http`, HAProxy has none within another.
    const isBeside = (text: string) => /^(stream|worker_\w+) /m.test(text)
    const text =
      kind === 'haproxy'
        ? texts.join('\n')
        : this.#nginx(
            texts.filter(isBeside),
            texts.filter((each) => !isBeside(each))
          )
    const own: Changes = [
      ['listen 443', `listen 127.0.0.1:${this.port}`],
      ['bind :443', `bind 127.0.0.1:${this.port}`],
      ['10.0.0.1:9000', `127.0.0.1:${ports[0]}`],
      ['10.0.0.2:9000', `127.0.0.1:${ports[1]}`],
      ['/etc/grid', this.#folder]
    ]
    const changed = [...changes, ...own].reduce((result, [from, to]) => {
      // Not all of our own: a part of a configuration has no address.
      assert.ok(result.includes(from) || own.some(([each]) => each === from), `${kind}: there is no ${from} to change`)
      return result.replaceAll(from, to)
    }, text)
    writeFileSync(join(this.#folder, 'proxy.conf'), changed)
    const { key, cert } = certificate
    writeFileSync(join(this.#folder, 'edge.pem'), kind === 'nginx' ? cert : `${cert}\n${key}`)
    writeFileSync(join(this.#folder, 'edge.key'), key)
  }

  /** With what Debian has around the files of `conf.d`, and all of its own files in our folder. */
  #nginx(beside: readonly string[], within: readonly string[]): string {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const paths = temporary.map((name) => `${name}_temp_path ${this.#folder}/${name};`).join(' ')
    return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; pid ${this.#folder}/pid; worker_processes 1; load_module ${streamModule}; events {}
${beside.join('\n')}
http { access_log off; ${paths}
${within.join('\n')}
}
`
  }
}

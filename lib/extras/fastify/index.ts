/**
 * `it-grid/fastify`: a grid as a plugin of Fastify, there as `fastify.grid`, served on its HTTP server and closed with it.
 *
 * It dials nobody before the server listens, lets another plugin that takes upgrades have all but those of the grid, and at
 * the end first waits for the HTTP requests that may still call, then drains the grid.
 */

import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import {
  type CloseOptions,
  type ConnDialer,
  connectWS,
  InvalidOptionError,
  type LogFields,
  type Logger,
  Manager,
  type ManagerOptions
} from '../../index.ts'
import { Running } from './running.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The grid of `it-grid/fastify`. */
    readonly grid: Manager
  }
}

interface Closing {
  /** As of `grid.close()`. The HTTP requests that run when the app closes have the same time before it. */
  readonly close?: CloseOptions
}

/** A manager of your own, and the path that it was made with unless that is the default; or the options of one. */
export type FastifyGridOptions = Closing &
  ({ readonly grid: Manager; readonly path?: string } | (ManagerOptions & { readonly grid?: undefined }))

const defaultPath = '/grid/v1'
const defaultCloseMs = 10_000
/** That of `pluginTimeout` of Fastify, and how much of it a hook may take. */
const defaultHookMs = 10_000
const hookShare = 0.8

/**
 * `await fastify.register(fastifyGrid, { local, hosts, auth })`, or `{ grid }`. Register it before plugins whose hooks answer
 * requests. The grid is there for the whole app, or inside of the plugin in which it was registered; it is closed in `preClose`,
 * also one of your own. What it logs goes to `fastify.log`, where the app has one.
 *
 * @throws {InvalidOptionError} when an option is wrong, or the path is already served on this HTTP server
 * @throws {ClosedError} when `grid` is closed
 */
export const fastifyGrid: FastifyPluginAsync<FastifyGridOptions> = Object.assign(register, {
  // What `fastify-plugin` sets: decorators and hooks are for the instance that registers it.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'it-grid',
  [Symbol.for('plugin-meta')]: { name: 'it-grid', fastify: '5.x' }
})

async function register(fastify: FastifyInstance, options: FastifyGridOptions): Promise<void> {
  const { close = {}, ...given } = options
  if (typeof close !== 'object' || close === null)
    throw new InvalidOptionError('close of fastifyGrid must be an object')
  const { timeout = defaultCloseMs, ...others } = close
  for (const name of Object.keys(others)) {
    throw new InvalidOptionError(`close of fastifyGrid has no option "${name}"; it has timeout`)
  }
  if (typeof timeout !== 'number' || !(timeout >= 0)) {
    throw new InvalidOptionError('close.timeout of fastifyGrid must be a number of at least 0')
  }
  const grid = given.grid ?? new Manager(withDefaults(fastify, given as ManagerOptions))
  try {
    setUp(fastify, grid, given.path ?? defaultPath, close)
  } catch (error) {
    if (given.grid === undefined) await grid.close()
    throw error
  }
}

function setUp(fastify: FastifyInstance, grid: Manager, path: string, close: CloseOptions): void {
  if (typeof grid.attach !== 'function') throw new InvalidOptionError('grid of fastifyGrid must be a Manager')
  fastify.decorate('grid', grid)
  grid.attach(fastify.server)
  const running = new Running()
  fastify.addHook('onRequest', (request, reply, done) => {
    // Another plugin routes all upgrades as requests: those of the grid are answered below Fastify.
    if (isUpgradeOf(request, path)) return void reply.hijack()
    running.add(reply)
    done()
  })
  let drained = Promise.resolve()
  fastify.addHook('preClose', async () => {
    drained = running.ended(close.timeout ?? defaultCloseMs).then(() => grid.close(close))
    await unlessLonger(hookShare * (fastify.initialConfig.pluginTimeout ?? defaultHookMs), drained)
  })
  fastify.addHook('onClose', () => drained)
}

/** Fastify fails its `close()` where a hook of `preClose` takes longer; then it waits for the conns of the grid all the same. */
async function unlessLonger(ms: number, work: Promise<void>): Promise<void> {
  if (ms === 0) return await work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** As the grid tells them: it answers no others, such as a request that merely has such a header. */
function isUpgradeOf({ raw }: FastifyRequest, path: string): boolean {
  const isUpgrade = Reflect.get(raw, 'upgrade') === true && raw.httpVersion !== '1.0'
  if (!isUpgrade || !/(^|,)\s*websocket\s*(,|$)/i.test(raw.headers.upgrade ?? '')) return false
  // A proxy may name the whole URL.
  return raw.url?.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] === path
}

function withDefaults({ server, log }: FastifyInstance, options: ManagerOptions): ManagerOptions {
  const { dialer = connectWS() } = options
  const isLogging = typeof log.level === 'string'
  return {
    ...(isLogging ? { logger: toLogger(log) } : {}),
    ...options,
    // A wrong one is for the manager to refuse.
    dialer: typeof dialer === 'function' ? onceListening(server, dialer) : dialer
  }
}

/** A second copy of a process, whose port is taken, ends before it has replaced the first one at its peers. */
function onceListening(server: FastifyInstance['server'], dial: ConnDialer): ConnDialer {
  const listening = new Promise<void>((resolve) => {
    if (server.listening) resolve()
    else server.once('listening', resolve)
  })
  return async (address, options) => {
    await Promise.race([listening, aborted(options.signal)])
    return await dial(address, options)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function toLogger(log: FastifyInstance['log']): Logger {
  const at = (level: keyof Logger) => (message: string, fields?: LogFields) => log[level](fields ?? {}, message)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

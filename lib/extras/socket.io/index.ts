/** `it-grid/socket.io`: several Socket.IO servers as one, over the grid that they have anyway, with no broker between them. */

import type { ClusterAdapter } from 'socket.io-adapter'
import { InvalidOptionError, type Logger, type Manager } from '../../index.ts'
import { GridAdapter } from './adapter.ts'
import { Cluster } from './cluster.ts'

export interface AdapterOptions {
  /** How long the answer of another server is waited for, in ms. Default 5000. A server that dies is not waited for. */
  readonly requestsTimeout?: number
  /** What may wait for one other server that reads too slowly, in bytes; the same on all servers. Default 32 MiB. */
  readonly maxQueuedBytes?: number
  /** Tells the Socket.IO servers of one process, or of one grid, apart. Default none. */
  readonly subroute?: string
  /** Hears of servers that are too slow, and of listeners that throw. Default the console. */
  readonly logger?: Pick<Logger, 'warn' | 'error'>
}

const kinds: Readonly<Record<keyof AdapterOptions, string>> = {
  ...{ requestsTimeout: 'number', maxQueuedBytes: 'number', subroute: 'string', logger: 'object' }
}

const consoleLogger: Pick<Logger, 'warn' | 'error'> = {
  warn: (message) => console.warn(`it-grid/socket.io: ${message}`),
  error: (message) => console.error(`it-grid/socket.io: ${message}`)
}

/**
 * For `new Server({ adapter })` of Socket.IO, as the other adapters have it. All servers that make one are found by the grid.
 *
 * `new Server` throws where the options of the Socket.IO server do not go with it, where another one has the subroute already
 * (`HandlerExistsError`), and where the grid is closed (`ClosedError`).
 *
 * @throws {InvalidOptionError} when an argument is wrong
 */
export function createAdapter(grid: Manager, options: AdapterOptions = {}): (nsp: unknown) => ClusterAdapter {
  if (typeof grid?.handle !== 'function') throw new InvalidOptionError('createAdapter() takes a Manager first')
  const { requestsTimeout, ...ofCluster } = readOptions(options)
  const cluster = new Cluster({ grid, ...ofCluster })
  // Socket.IO calls it with `new`.
  function createAdapterOf(nsp: unknown): ClusterAdapter {
    return new GridAdapter(nsp, cluster, requestsTimeout)
  }
  return createAdapterOf
}

function readOptions(options: AdapterOptions): Required<AdapterOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('the options of createAdapter() must be an object')
  }
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name as keyof AdapterOptions]
    if (kind === undefined) {
      throw new InvalidOptionError(`createAdapter() has no option "${name}"; it has ${Object.keys(kinds).join(', ')}`)
    }
    if (value !== undefined && (typeof value !== kind || value === null)) {
      throw new InvalidOptionError(`${name} of createAdapter() must be ${kind === 'object' ? 'an' : 'a'} ${kind}`)
    }
  }
  const { requestsTimeout = 5000, maxQueuedBytes = 32 * 1024 * 1024, subroute = '', logger = consoleLogger } = options
  for (const [name, value] of Object.entries({ requestsTimeout, maxQueuedBytes })) {
    if (!(value > 0)) throw new InvalidOptionError(`${name} of createAdapter() must be above 0`)
  }
  return { requestsTimeout, maxQueuedBytes, subroute, logger }
}

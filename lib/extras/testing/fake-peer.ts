/** `fakePeer`: a peer for the unit test of code that calls one. */

import { type Connection, insecure, Manager, silentLogger } from '../../index.ts'
import { invalid } from './options.ts'

/** A real connection, with its deadlines, windows, codecs and errors. */
export interface FakePeer extends Connection {
  /** The server at its other end, to register more handlers at, or to look into. */
  readonly grid: Manager
  /** Closes it, and aborts what is open. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface FakePeerOptions {
  /** Its name, which its handlers see as that of their caller, too. Default `http://peer:9000`. */
  readonly host?: string
}

/**
 * A connection whose other end is a server of its own, with the handlers that `setup` registers. It is there at once: a call
 * needs no `waitForConnect`, and `setup` must not be async.
 *
 * @throws {InvalidOptionError} naming the argument or option that is wrong
 * @throws what `setup` throws
 */
export function fakePeer(setup: (grid: Manager) => void, options: FakePeerOptions = {}): FakePeer {
  if (typeof setup !== 'function') {
    invalid('fakePeer() takes a function that registers handlers: fakePeer((grid) => grid.handle(definition, fn))')
  }
  if (typeof options !== 'object' || options === null) invalid('the options of fakePeer() must be an object')
  const { host: local = 'http://peer:9000', ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) invalid(`fakePeer() has no option "${unknown}"; it has host`)
  const grid = new Manager({ local, hosts: [local], auth: insecure(), logger: silentLogger })
  try {
    const answer = setup(grid) as unknown as PromiseLike<unknown> | undefined
    if (typeof answer?.then === 'function') {
      // What it rejects with is not told beside the error below.
      Promise.resolve(answer).catch(() => {})
      invalid('setup of fakePeer() must not be async: the peer is there at once. Await what it needs before')
    }
    const close = () => grid.close({ timeout: 0 })
    return Object.assign(grid.connection(local), { grid, [Symbol.asyncDispose]: close })
  } catch (error) {
    grid.close({ timeout: 0 })
    throw error
  }
}

/** A dialer over the user's own transport: `connectDuplex` makes a conn over the stream that a function opens. */

import type { Duplex } from 'node:stream'
import { listenToAbort, unlessAborted } from '../base/abort.ts'
import { isPromise } from '../base/promise.ts'
import { aFunction, check, optionsReader } from '../errors/check.ts'
import { DialError } from '../errors/errors.ts'
import { systemText, toError } from '../errors/failure.ts'
import type { Conn, ConnDialer } from './conn.ts'
import { type DuplexConnOptions, duplexConn, duplexKinds } from './duplex.ts'

/** What a connecting `net.Socket` or `TLSSocket` has in addition to a `Duplex`. */
interface Connecting {
  encrypted?: boolean
  connecting?: boolean
  secureConnecting?: boolean
}

/** A stream that was given up may still report an error. */
function ignoreAfterGivingUp(): void {}

/** Opens a stream to a host. The stream may still be connecting when it is returned. */
export type DuplexConnect = (address: string, options: { signal: AbortSignal }) => Duplex | Promise<Duplex>

type Options = Omit<DuplexConnOptions, 'maxConnMessageBytes'>

const { maxConnMessageBytes: _ofTheDial, ...kinds } = duplexKinds
const readOptions = optionsReader<Options>('connectDuplex()', kinds)

/**
 * A dialer over your own transport, such as `(address) => tls.connect(...)`. The path of the dial is not used.
 *
 * @throws {InvalidOptionError} naming the argument or option that is wrong
 */
export function connectDuplex(connect: DuplexConnect, options?: Options): ConnDialer {
  check('the first argument of connectDuplex()', connect, aFunction)
  const given = readOptions(options)
  return async (address, { signal, maxConnMessageBytes }) => {
    signal.throwIfAborted()
    try {
      const made = connect(address, { signal })
      // A stream that is here already may fail next, so listeners are added in this turn.
      const stream = isPromise<Duplex>(made) ? await unlessAborted(made, signal, destroyQuietly) : made
      return await whenConnected(stream, signal, () => duplexConn(stream, { ...given, maxConnMessageBytes }))
    } catch (error) {
      signal.throwIfAborted()
      throw new DialError(`cannot connect to ${address}: ${systemText(error)}`, { cause: error })
    }
  }
}

/** Calls `make` in the same turn in which the stream connects, so that no event is missed. */
function whenConnected(stream: Duplex & Connecting, signal: AbortSignal, make: () => Conn): Promise<Conn> {
  const isOpen = stream.connecting !== true && stream.secureConnecting !== true
  const event = stream.encrypted === true ? 'secureConnect' : 'connect'
  return new Promise((resolve, reject) => {
    let unlisten = (): void => undefined
    const leave = (): void => {
      unlisten()
      stream.off(event, onConnected).off('error', onFailed).off('close', onFailed)
    }
    const onConnected = (): void => {
      leave()
      try {
        resolve(make())
      } catch (error) {
        onFailed(error)
      }
    }
    const onFailed = (error?: unknown): void => {
      leave()
      destroyQuietly(stream)
      reject(error === undefined ? new Error('the stream closed before it was connected') : toError(error))
    }
    if (isOpen) return onConnected()
    stream.on(event, onConnected).on('error', onFailed).on('close', onFailed)
    unlisten = listenToAbort(signal, () => onFailed(signal.reason))
  })
}

function destroyQuietly(stream: Duplex): void {
  stream.on('error', ignoreAfterGivingUp)
  stream.destroy()
}

/** What the attributes of a call say: its method, and its server. */

import type { Attributes } from '@opentelemetry/api'
import type { CallInfo } from '../../index.ts'

/** The system of these calls, and the scope of the instrumentation. */
export const system = 'it-grid'
/** Of the scope: that of the package, which a spec compares. Not read at run time, as a bundle has no package.json. */
export const version = '0.2.0'
/** Of a method that no handler is registered for, and in the place of codes beyond a bound. */
export const otherName = '_OTHER'
/** Of a call at a handler that there is not. */
export const unknownHandler = 'ERR_UNKNOWN_HANDLER'

export function methodOf({ subroute, handler }: Pick<CallInfo, 'subroute' | 'handler'>): string {
  return subroute === '' ? handler : `${subroute}/${handler}`
}

/** Where a server is, by its name: an origin. */
export function placeOf(server: string): Attributes {
  const { hostname, port, protocol } = new URL(server)
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  if (address === '') return { 'server.address': server }
  return { 'server.address': address, 'server.port': Number(port || (protocol === 'https:' ? 443 : 80)) }
}

/** Calls that are to fail, and stacks that are long enough to show who made them. */

import { after, before } from 'node:test'
import type { CallOptions } from '../../lib/index.ts'
import { rejection } from '../support/grid/servers.ts'

/** What a call fails by. On a machine that does much else its time may end before what it is for has begun: it gets more. */
export async function failureBy(
  name: string,
  options: CallOptions,
  call: (options: CallOptions) => Promise<unknown>
): Promise<Error> {
  const error = await rejection(call(options))
  const { timeout = Infinity } = options
  if (error.name === name || timeout > 10_000) return error
  return await failureBy(name, { ...options, timeout: timeout * 4 }, call)
}

/** For the specs of a `describe`. A live AsyncLocalStorage, of any file in this process, takes one of the ten frames on Node 20. */
export function takeLongerStacks(): void {
  const { stackTraceLimit } = Error
  before(() => {
    Error.stackTraceLimit = stackTraceLimit + 2
  })
  after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })
}

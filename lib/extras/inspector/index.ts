/**
 * A page that shows a running grid, for the person on call: `inspector(grid, { allow })` is a request listener for any HTTP
 * server. It reads what the `$grid` handlers of all servers tell, and changes nothing.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { InvalidOptionError, type Manager, type Rule } from '../../index.ts'
import type { Inspected } from './inspected.ts'
import { Listener } from './listener.ts'
import { Pages } from './pages.ts'

export type { Inspected, InspectedPeer } from './inspected.ts'

export interface InspectorOptions {
  /** Which HTTP requests may see it. Runs first, at every request; a throw is a no, and so is no answer for 10 s. Required. */
  readonly allow: Rule<IncomingMessage>
  /** Where the page is. Other paths are answered with 404. Default `/inspector`. */
  readonly path?: string
  /** Pages that may be open at once. Default 16. */
  readonly maxPages?: number
}

const defaultPath = '/inspector'
const defaultMaxPages = 16
const most = 10_000

/**
 * The page of a grid. It needs the option `introspection` at every server that is to be seen. While nobody has the page open
 * it does nothing.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 *
 * @example
 *
 * ```ts
 * const page = inspector(grid, { allow: ({ headers }) => headers.authorization === secret })
 * createServer(page).listen(9100)
 * ```
 */
export function inspector(
  grid: Manager | Inspected,
  options: InspectorOptions
): (request: IncomingMessage, response: ServerResponse) => void {
  const { allow, path = defaultPath, maxPages = defaultMaxPages } = check(grid, options)
  const listener = new Listener(allow, path.replace(/\/+$/, ''), new Pages(grid, maxPages))
  return (request, response) => {
    listener.answer(request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(500, { 'content-type': 'text/plain' }).end('the page could not be made\n')
    })
  }
}

function check(grid: Manager | Inspected, options: InspectorOptions): InspectorOptions {
  if (typeof grid?.connection !== 'function')
    throw new InvalidOptionError('the first argument of inspector() must be a Manager')
  const { allow, path = defaultPath, maxPages = defaultMaxPages, ...others } = options ?? {}
  if (typeof allow !== 'function') {
    const is = allow === undefined ? 'is required: it must' : 'must'
    throw new InvalidOptionError(
      `inspector() option allow ${is} be a function that says which requests may see the page`
    )
  }
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    throw new InvalidOptionError(`inspector() has no option "${unknown}"; it has allow, path, maxPages`)
  }
  if (typeof path !== 'string' || !path.startsWith('/') || /[?#]/.test(path)) {
    throw new InvalidOptionError('inspector() option path must be a path that begins with "/", such as "/inspector"')
  }
  if (!Number.isInteger(maxPages) || maxPages < 1 || maxPages > most) {
    throw new InvalidOptionError(`inspector() option maxPages must be a whole number from 1 to ${most}`)
  }
  if ('handlers' in grid && !grid.handlers.some(({ subroute }) => subroute === '$grid')) {
    throw new InvalidOptionError(
      'inspector() takes a Manager that has the option introspection: it reads what that tells'
    )
  }
  return options
}

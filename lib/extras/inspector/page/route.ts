/** The state of the page is its address: each view, sort and filter can be sent to a colleague. */

export interface Route {
  readonly screen: string
  readonly rest: readonly string[]
  readonly query: URLSearchParams
}

export const screens = [
  ['now', 'Now'],
  ['servers', 'Servers'],
  ['handlers', 'Handlers'],
  ['waits', 'Waits'],
  ['events', 'Events'],
  ['trace', 'Trace']
] as const

/** An address may be typed by hand, and is looked up. */
const known: ReadonlySet<string> = new Set([...screens.map(([key]) => key), 'handler', 'conn'])

let last: { readonly hash: string; readonly route: Route } | undefined

/** Asked for by each link of each row: read anew only where it is another one. */
export function readRoute(): Route {
  const { hash } = location
  if (last?.hash !== hash) last = { hash, route: parse(hash) }
  return last.route
}

function parse(hash: string): Route {
  const [path = '', ...query] = hash.slice(1).split('&')
  const [screen = '', ...rest] = path.split('/').map(decode)
  return { screen: known.has(screen) ? screen : 'now', rest, query: new URLSearchParams(query.join('&')) }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** What stays through all screens. */
const lasting = ['theme']

export function linkTo(path: readonly string[], more: Readonly<Record<string, string | undefined>> = {}): string {
  const { query } = readRoute()
  const kept = new URLSearchParams()
  for (const name of lasting) {
    const value = query.get(name)
    if (value !== null) kept.set(name, value)
  }
  for (const [name, value] of Object.entries(more)) if (value !== undefined && value !== '') kept.set(name, value)
  const text = kept.toString()
  return `#${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `&${text}`}`
}

export function toConnection(a: string, b: string): string {
  return linkTo(['conn', a, b])
}

export function toHandler(key: string): string {
  return linkTo(['handler', key])
}

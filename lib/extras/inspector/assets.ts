/** The files of the page, as the build made them. */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Beside this file, once it is built. Who runs the sources has built the page too, or has none. */
const folder = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/extras/inspector/page/' : './page/',
  import.meta.url
)

const types = {
  'index.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8'
} as const

export interface Asset {
  readonly type: string
  readonly etag: string
  readonly body: Buffer
}

const read = new Map<string, Asset>()

/** Undefined for what is no file of the page. */
export function assetOf(name: string): Asset | undefined {
  const type = Object.hasOwn(types, name) ? types[name as keyof typeof types] : undefined
  if (type === undefined) return undefined
  let asset = read.get(name)
  if (asset === undefined) {
    const body = readFileSync(new URL(name, folder))
    asset = { type, body, etag: `"${createHash('sha1').update(body).digest('hex').slice(0, 16)}"` }
    read.set(name, asset)
  }
  return asset
}

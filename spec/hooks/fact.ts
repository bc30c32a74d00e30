/** A fact of what interceptors do, over a real conn that has them at both ends. */

import { it } from 'node:test'
import type { CallerInterceptor, HandlerInterceptor } from '../../lib/index.ts'
import { type Link, openLink, useLink } from '../support/grid/links.ts'

interface Interceptors {
  readonly caller?: readonly CallerInterceptor[]
  readonly handler?: readonly HandlerInterceptor[]
}

export function fact(title: string, interceptors: Interceptors, body: (link: Link) => Promise<void>): void {
  it(title, async () => useLink(await openLink('ws', 'dialer', { interceptors }), body))
}

/** Tells the people of this server of handlers for which a peer uses other codecs: of each once, as peers come again and again. */

import type { Logger } from '../errors/logger.ts'
import type { HostEvents } from '../figures/event-log.ts'
import type { GridFigures } from '../figures/grid-figures.ts'
import type { HandlerEntry } from '../wire/frame.ts'
import { nameHandler, toHandlerName } from './info.ts'

/** A peer may offer ever others. */
const maxTold = 64

export class Mismatches {
  readonly #logger: Logger
  readonly #figures: Pick<GridFigures, 'of'>
  readonly #told = new WeakMap<HostEvents, Set<string>>()

  constructor(logger: Logger, figures: Pick<GridFigures, 'of'>) {
    this.#logger = logger
    this.#figures = figures
  }

  /** `own` is the fingerprint of what this server has for the handler `remote` of `host`, which has another one. */
  tell(host: string, remote: HandlerEntry, own: string): void {
    const { id: handler, subroute, fingerprint = '' } = remote
    const { events } = this.#figures.of(host)
    const told = this.#told.get(events) ?? new Set()
    const key = [remote.kind, handler, subroute, fingerprint, own].join('\0')
    if (told.has(key) || told.size === maxTold) return
    this.#told.set(events, told.add(key))
    const text = `${host} and this server have other codecs for the ${nameHandler(remote)}`
    const what = `use the same definition on both, or another id (fingerprints ${fingerprint}, ${own})`
    this.#logger.warn(`${text}: ${what}`, { host, handler, subroute })
    events.add({ type: 'mismatch', ...toHandlerName(remote), fingerprint, own })
  }
}

/**
 * Which codecs a handler uses, as far as its fingerprint tells: a guest has no definitions. Raw bytes, structures of fields and
 * codecs of one's own are not known.
 */

import {
  type Codec,
  type HandlerInfo,
  insecure,
  json,
  Manager,
  msgpack,
  none,
  silentLogger,
  single,
  streaming
} from '../../index.ts'

export type CodecName = 'msgpack' | 'json' | 'none'
export const codecs: Readonly<Record<CodecName, Codec<unknown>>> = {
  ...{ msgpack: msgpack<unknown>(), json: json<unknown>(), none: none() as Codec<unknown> }
}
const names = Object.keys(codecs) as CodecName[]

export interface HandlerCodecs {
  readonly payload: CodecName
  /** Of a streaming one. */
  readonly request: CodecName
  readonly response: CodecName
}

let known: ReadonlyMap<string, HandlerCodecs> | undefined

/** Undefined where the handler does not tell, or uses another one. */
export function codecsOf({ kind, fingerprint }: Pick<HandlerInfo, 'kind' | 'fingerprint'>): HandlerCodecs | undefined {
  known ??= collect()
  return fingerprint === undefined ? undefined : known.get(`${kind} ${fingerprint}`)
}

/** Of one that does not tell, most are msgpack. */
export function likelyCodecs(info: Pick<HandlerInfo, 'kind' | 'fingerprint'> | undefined): HandlerCodecs {
  const unknown = { payload: 'msgpack', request: 'msgpack', response: 'msgpack' } as const
  return (info === undefined ? undefined : codecsOf(info)) ?? unknown
}

export function findHandler(
  { handlers }: { readonly handlers: readonly HandlerInfo[] },
  subroute: string,
  id: string
): HandlerInfo | undefined {
  return handlers.find((each) => each.handler === id && each.subroute === subroute)
}

/** A manager that never listens makes the fingerprints of all there can be. */
function collect(): Map<string, HandlerCodecs> {
  const local = 'http://fingerprints.invalid'
  const grid = new Manager({ local, hosts: [local], auth: insecure(), logger: silentLogger })
  const all = names.flatMap((payload) =>
    names.flatMap((response) => names.map((request): HandlerCodecs => ({ payload, request, response })))
  )
  for (const [at, of] of all.entries()) {
    const [payload, request, response] = [codecs[of.payload], codecs[of.request], codecs[of.response]]
    grid.handle(streaming<unknown, unknown, unknown>(`${at}`, { payload, request, response }), () => undefined)
    // A single one has no requests, and its payload is called so.
    if (of.request === 'none')
      grid.handle(single<unknown, unknown>(`single ${at}`, { request: payload, response }), () => undefined)
  }
  const found = new Map<string, HandlerCodecs>()
  for (const { kind, handler, fingerprint } of grid.handlers) {
    const of = all[Number(handler.replace('single ', ''))]
    if (fingerprint !== undefined && of !== undefined) found.set(`${kind} ${fingerprint}`, of)
  }
  void grid.close({ timeout: 0 })
  return found
}

/** For a list: `msgpack`, or of both directions `json → none`. */
export function nameCodecs(info: HandlerInfo): string {
  const of = codecsOf(info)
  if (of === undefined) return info.fingerprint === undefined ? 'raw or own' : 'own'
  const parts =
    info.kind === 'single' || info.inCapacity === 0 ? [of.payload, of.response] : [of.payload, of.request, of.response]
  return new Set(parts).size === 1 ? of.payload : parts.join(' → ')
}

/** Frames and sessions made by hand: what a raw peer says, and what it says it to. */

import { defaultKeepAlive, defaultLimits } from '../../../lib/errors/options.ts'
import type { SingleDefinition, StreamingDefinition } from '../../../lib/handler/definition.ts'
import type { SingleHandler, StreamingHandler } from '../../../lib/handler/handler.ts'
import { type LocalHandler, LocalHandlers, toEntry } from '../../../lib/handler/table.ts'
import { Beat } from '../../../lib/session/beat.ts'
import type { SessionInit } from '../../../lib/session/session.ts'
import { Flag, type Frame, FrameType, type HandlerEntry, HandlerKind } from '../../../lib/wire/frame.ts'

const small: Uint8Array = Buffer.from('payload')

export function open(
  streamId: number,
  handler: number,
  flags: number = Flag.end,
  payload = small,
  metadata?: Uint8Array
): Frame {
  return { type: FrameType.open, flags, streamId, handler, timeoutMs: 0, metadata, payload }
}

export function data(streamId: number, flags = 0, payload = small): Frame {
  const bare = (flags & Flag.bare) !== 0
  return { type: FrameType.data, flags, streamId, payload: bare ? new Uint8Array(0) : payload }
}

export function credit(streamId: number, messages: number, bytes: number): Frame {
  return { type: FrameType.credit, flags: 0, streamId, messages, bytes }
}

export function reset(streamId: number, code = 1, text = ''): Frame {
  return { type: FrameType.reset, flags: 0, streamId, code, text }
}

export function ping(token: number): Frame {
  return { type: FrameType.ping, flags: 0, token }
}

export function goAway(lastStreamId = 0, text = 'bye', code = 0, graceMs?: number): Frame {
  return { type: FrameType.goAway, flags: graceMs === undefined ? 0 : Flag.grace, code, lastStreamId, graceMs, text }
}

export function table(...entries: HandlerEntry[]): Frame {
  return { type: FrameType.handlers, flags: 0, entries }
}

function entry(id: string, kind: number, inCapacity: number, outCapacity: number): HandlerEntry {
  return { kind, inCapacity, outCapacity, subroute: '', id }
}

export const rawSingle: HandlerEntry = entry('raw.single', HandlerKind.single, 0, 1)
export const rawStream: HandlerEntry = entry('raw.stream', HandlerKind.streaming, 2, 2)

/** What makes a session with a raw peer, who may dial. */
export function sessionInit(changes: Pick<SessionInit, 'wire'> & Partial<SessionInit>): SessionInit {
  return {
    ...{ role: 'listener', limits: defaultLimits, remoteLimits: changes.limits ?? defaultLimits, checksum: false },
    ...{
      remoteUnderstands: [],
      beat: new Beat(defaultKeepAlive.intervalMs),
      handlers: new LocalHandlers(defaultLimits.maxNameBytes)
    },
    remote: { host: 'http://raw', role: 'host', instance: '00', session: '00', identity: {}, address: 'memory' },
    ...changes
  }
}

export function addHandler(
  handlers: LocalHandlers,
  definition: SingleDefinition<unknown, unknown>,
  fn: SingleHandler<unknown, unknown>
): void
export function addHandler(
  handlers: LocalHandlers,
  definition: StreamingDefinition<unknown, unknown, unknown>,
  fn: StreamingHandler<unknown, unknown, unknown>
): void
export function addHandler(handlers: LocalHandlers, definition: LocalHandler['definition'], fn: unknown): void {
  handlers.add({ entry: toEntry(definition, ''), definition, fn } as LocalHandler)
}

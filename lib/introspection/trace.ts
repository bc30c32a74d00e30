/** Calls of this server as they end, from the tracing channels, to which it subscribes only while somebody reads. */

import { type CallMessage, channels } from '../hooks/channels.ts'
import { Feed } from './feed.ts'
import { type CallRecord, introspection, type TraceOptions } from './introspection.ts'

/** Records that wait for a slow reader; the oldest go, and are counted. */
const maxWaiting = 256

export function traceCalls(
  local: string,
  options: TraceOptions,
  signals: readonly AbortSignal[]
): AsyncGenerator<CallRecord, void> {
  const feed = new Feed<Omit<CallRecord, 'skipped'>>(maxWaiting, signals)
  const onEnd = (message: CallMessage) => {
    try {
      if (message.local === local && isAsked(message, options)) feed.add(toRecord(message))
    } catch {
      // Another subscriber has made nonsense of it. What is thrown here would end the process.
    }
  }
  const follow = () => {
    const followed = [channels.call, channels.handle].filter(
      (_, index) => options.side === undefined || (options.side === 'caller') === (index === 0)
    )
    for (const channel of followed) channel.asyncEnd.subscribe(onEnd as never)
    return () => {
      for (const channel of followed) channel.asyncEnd.unsubscribe(onEnd as never)
    }
  }
  return feed.read(follow, (record, skipped) => ({ ...record, skipped }))
}

/** Of the W3C. What else may stand there is not told. */
const traceparent = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/

/** A subscriber may have made anything of the metadata of a message. */
function readTraceId(message: CallMessage): string | undefined {
  try {
    const value: unknown = message.metadata.traceparent
    return typeof value === 'string' ? traceparent.exec(value)?.[1] : undefined
  } catch {
    return undefined
  }
}

function isAsked(message: CallMessage, options: TraceOptions): boolean {
  const { host, handler, subroute, outcome } = message
  if (outcome === undefined || subroute === introspection.subroute) return false
  if (options.host !== undefined && options.host !== host) return false
  if (options.handler !== undefined && options.handler !== handler) return false
  if (options.subroute !== undefined && options.subroute !== subroute) return false
  if (options.failed === true && outcome.code === 'OK') return false
  if (outcome.durationMs < (options.slowerThanMs ?? 0)) return false
  return options.sample === undefined || Math.random() < options.sample
}

function toRecord(message: CallMessage): Omit<CallRecord, 'skipped'> {
  const { side, host, instance, kind, handler, subroute } = message
  const traceId = readTraceId(message)
  const { delivery, ...outcome } = message.outcome as NonNullable<CallMessage['outcome']>
  return {
    ...{ side, host, kind, handler, subroute },
    ...outcome,
    ...(instance === undefined ? {} : { instance }),
    ...(delivery === undefined ? {} : { delivery }),
    ...(traceId === undefined ? {} : { traceId }),
    startedAt: Date.now() - outcome.durationMs
  }
}

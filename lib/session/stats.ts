/** The stats of a session, put together from those of its parts. */

import type { OpenCalls } from '../open/open-calls.ts'
import type { SessionCounts, SessionStats } from '../report/stats.ts'
import type { Reading } from '../time/after-reading.ts'
import type { Outbox } from '../wire/outbox.ts'
import type { Wire } from '../wire/wire.ts'
import type { KeepAlive } from './keepalive.ts'

export interface SessionParts {
  readonly counts: SessionCounts
  readonly calls: OpenCalls
  readonly keepAlive: KeepAlive
  readonly outbox: Outbox
}

export function readSessionStats({ counts, calls, keepAlive, outbox }: SessionParts): SessionStats {
  const { remote, since, streams, running } = calls
  return {
    id: remote.session,
    since,
    ...counts,
    rttMs: keepAlive.rttMs,
    inboundStreams: streams.inbound,
    outboundStreams: streams.size - streams.inbound,
    runningHandlers: running.count,
    batchesOut: outbox.batches,
    bytesOut: outbox.bytes,
    framesOut: outbox.writer.frames,
    messagesOut: outbox.writer.messages,
    sendQueueBytes: outbox.waiting.bytes,
    sendQueueStreams: outbox.waiting.senders
  }
}

/** For what is about to judge by time. */
export function readingOf(counts: SessionCounts, wire: Wire): Reading {
  return {
    // Some conns of the user cannot say what has arrived.
    arrived: () => wire.arrivedBytes || counts.bytesIn,
    handled: () => counts.bytesIn + counts.framesIn
  }
}

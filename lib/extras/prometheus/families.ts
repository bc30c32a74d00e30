/**
 * Which metrics there are: the name of each without its prefix, its type, and how it is read from `stats()`.
 *
 * Labels are bounded: by the hosts of the grid, its handlers, and the codes that `stats()` keeps.
 */

import type { ConnectionStats, ManagerStats } from '../../index.ts'
import { callFamilies } from './calls.ts'
import type { Family, Sample } from './family.ts'

type Type = Family['type']
/** Undefined for no sample. */
type Read<From> = (from: From) => number | undefined

function ofManager(type: Type, help: string, read: Read<ManagerStats>): Family {
  return { type, help, samples: (stats) => sample({}, read(stats)) }
}

function ofConnection(type: Type, help: string, read: Read<ConnectionStats>): Family {
  const samples = ({ connections }: ManagerStats) =>
    connections.flatMap((connection) => sample({ host: connection.host }, read(connection)))
  return { type, help, samples }
}

function sample(labels: Sample['labels'], value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels, value }]
}

const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000)

export const families: Readonly<Record<string, Family>> = {
  handlers: ofManager('gauge', 'Handlers registered here.', ({ handlerCount }) => handlerCount),
  handshakes_pending: ofManager(
    'gauge',
    'Inbound conns whose handshake is in progress.',
    ({ pendingHandshakes }) => pendingHandshakes
  ),
  handshakes_refused_total: ofManager(
    'counter',
    'Inbound handshakes that were refused or failed.',
    ({ refusedHandshakes }) => refusedHandshakes
  ),
  guests: ofManager(
    'gauge',
    'Guests that are connected.',
    ({ guests }) => guests.filter(({ state }) => state === 'connected').length
  ),

  connection_up: ofConnection('gauge', 'Whether the host is connected: 1 or 0.', ({ state }) =>
    state === 'connected' ? 1 : 0
  ),
  connection_state_changed_timestamp_seconds: ofConnection(
    'gauge',
    'When the host was connected, or since when it is not: dials that fail change nothing.',
    ({ since, downSince }) => seconds(downSince ?? since)
  ),
  connection_last_seen_timestamp_seconds: ofConnection(
    'gauge',
    'When the host has last sent anything, to half a keep-alive interval.',
    ({ lastSeenAt }) => seconds(lastSeenAt)
  ),
  connection_dial_failures_total: ofConnection(
    'counter',
    'Dials of this server to the host that failed, handshakes included.',
    ({ dialing }) => dialing.failures
  ),
  connection_last_dial_seconds: ofConnection('gauge', 'How long the last dial of the host took.', ({ dialing }) =>
    seconds(dialing.lastDurationMs)
  ),
  connection_reconnects_total: ofConnection(
    'counter',
    'Sessions with the host after the first one, including those that renewed an identity.',
    ({ reconnects }) => reconnects
  ),
  connection_round_trip_seconds: ofConnection('gauge', 'Round-trip time of the last ping to the host.', ({ session }) =>
    seconds(session?.rttMs)
  ),
  connection_inbound_streams: ofConnection(
    'gauge',
    'Open streams, requests included, that the host has opened.',
    ({ session }) => session?.inboundStreams ?? 0
  ),
  connection_outbound_streams: ofConnection(
    'gauge',
    'Open streams, requests included, that this server has opened to the host.',
    ({ session }) => session?.outboundStreams ?? 0
  ),
  connection_running_handlers: ofConnection(
    'gauge',
    'Handlers here that run for the host, also of calls that are over.',
    ({ session }) => session?.runningHandlers ?? 0
  ),
  connection_send_queue_bytes: ofConnection(
    'gauge',
    'Bytes for the host, encoded and waiting for the conn.',
    ({ session }) => session?.sendQueueBytes ?? 0
  ),
  connection_send_queue_streams: ofConnection(
    'gauge',
    'Streams to or from the host waiting for their turn to write.',
    ({ session }) => session?.sendQueueStreams ?? 0
  ),
  connection_refused_calls_total: ofConnection(
    'counter',
    'Calls of the host that were refused before they ran.',
    ({ totals }) => totals.refusals
  ),
  connection_ignored_frames_total: ofConnection(
    'counter',
    'Frames of the host that arrived too late to matter.',
    ({ totals }) => totals.ignoredFrames
  ),
  connection_received_bytes_total: ofConnection(
    'counter',
    'Bytes received from the host.',
    ({ totals }) => totals.bytesIn
  ),
  connection_sent_bytes_total: ofConnection('counter', 'Bytes sent to the host.', ({ totals }) => totals.bytesOut),
  connection_received_batches_total: ofConnection(
    'counter',
    'Batches received from the host.',
    ({ totals }) => totals.batchesIn
  ),
  connection_sent_batches_total: ofConnection(
    'counter',
    'Batches sent to the host.',
    ({ totals }) => totals.batchesOut
  ),
  connection_received_frames_total: ofConnection(
    'counter',
    'Frames received from the host.',
    ({ totals }) => totals.framesIn
  ),
  connection_sent_frames_total: ofConnection('counter', 'Frames sent to the host.', ({ totals }) => totals.framesOut),
  connection_received_messages_total: ofConnection(
    'counter',
    'Messages received from the host.',
    ({ totals }) => totals.messagesIn
  ),
  connection_sent_messages_total: ofConnection(
    'counter',
    'Messages sent to the host.',
    ({ totals }) => totals.messagesOut
  ),

  ...callFamilies
}

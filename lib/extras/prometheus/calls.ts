/** The metrics of calls: those that this server makes and those that it serves, by handler and by host. */

import type { CallFigures, HandlerName, ManagerStats } from '../../index.ts'
import type { Family, Sample } from './family.ts'

interface Calls {
  readonly labels: Sample['labels']
  readonly figures: CallFigures
}

/** Where figures of calls are, by what the names of their metrics begin with. */
const sources: Readonly<Record<string, (stats: ManagerStats) => Calls[]>> = {
  called: ({ called }) => called.map(ofHandler),
  served: ({ served }) => served.map(ofHandler),
  connection_called: ({ connections }) =>
    connections.map(({ host, called }) => ({ labels: { host }, figures: called })),
  connection_served: ({ connections }) => connections.map(({ host, served }) => ({ labels: { host }, figures: served }))
}

function ofHandler(figures: HandlerName & CallFigures): Calls {
  const { kind, handler, subroute } = figures
  return { labels: { kind, handler, subroute }, figures }
}

interface Figure {
  readonly type: Family['type']
  readonly help: string
  readonly read: (figures: CallFigures) => (Omit<Sample, 'labels'> & Partial<Pick<Sample, 'labels'>>)[]
}

const figures: Readonly<Record<string, Figure>> = {
  total: {
    type: 'counter',
    help: 'Calls, those that are open included.',
    read: ({ calls }) => [{ value: calls }]
  },
  running: { type: 'gauge', help: 'Calls that are open.', read: ({ running }) => [{ value: running }] },
  oldest_seconds: {
    type: 'gauge',
    help: 'For how long the oldest of them is open.',
    read: ({ oldestMs }) => (oldestMs === undefined ? [] : [{ value: oldestMs / 1000 }])
  },
  errors_total: {
    type: 'counter',
    help: 'Calls that failed, by the code of their error.',
    read: ({ errors }) => Object.entries(errors).map(([code, value]) => ({ labels: { code }, value }))
  },
  mistakes_total: {
    type: 'counter',
    help: 'Errors that a handler threw by mistake, such as a TypeError.',
    read: ({ mistakes }) => [{ value: mistakes }]
  },
  duration_seconds: {
    type: 'histogram',
    help: 'How long calls took that have ended.',
    read: ({ durations }) => toHistogram(durations)
  },
  received_bytes_total: {
    type: 'counter',
    help: 'Bytes of payloads and messages received.',
    read: ({ bytesIn }) => [{ value: bytesIn }]
  },
  sent_bytes_total: {
    type: 'counter',
    help: 'Bytes of payloads and messages sent.',
    read: ({ bytesOut }) => [{ value: bytesOut }]
  }
}

function toHistogram({ boundsMs, counts, sumMs }: CallFigures['durations']) {
  let count = 0
  const buckets = counts.map((each, at) => {
    const bound = boundsMs[at]
    count += each
    return { suffix: '_bucket', labels: { le: bound === undefined ? '+Inf' : String(bound / 1000) }, value: count }
  })
  return [...buckets, { suffix: '_sum', value: sumMs / 1000 }, { suffix: '_count', value: count }]
}

export const callFamilies: Readonly<Record<string, Family>> = Object.fromEntries(
  Object.entries(figures).flatMap(([name, { type, help, read }]) =>
    Object.entries(sources)
      // Mistakes are those of handlers here.
      .filter(([source]) => name !== 'mistakes_total' || !source.endsWith('called'))
      .map(([source, find]): [string, Family] => {
        const samples = (stats: ManagerStats) =>
          find(stats).flatMap((calls) =>
            read(calls.figures).map((sample) => ({ ...sample, labels: { ...calls.labels, ...sample.labels } }))
          )
        return [`${source}_${name}`, { type, help, samples }]
      })
  )
)

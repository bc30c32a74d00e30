/** The metrics of calls: those that this server makes and those that it serves, by handler and by host. */

import type { CallFigures, HandlerName, ManagerStats } from '../../index.ts'
import type { Family, Sample } from './family.ts'

interface Calls {
  readonly labels: Sample['labels']
  readonly figures: CallFigures
}

interface Source {
  /** What the help of their metrics begins with. */
  readonly which: string
  readonly find: (stats: ManagerStats) => Calls[]
}

/** Where figures of calls are, by what the names of their metrics begin with. */
const sources: Readonly<Record<string, Source>> = {
  called: {
    which: 'Calls that this server makes, by handler',
    find: ({ called }) => called.map(ofHandler)
  },
  served: {
    which: 'Calls that this server serves, by handler',
    find: ({ served }) => served.map(ofHandler)
  },
  connection_called: {
    which: 'Calls that this server makes to the host',
    find: ({ connections }) => connections.map(({ host, called }) => ({ labels: { host }, figures: called }))
  },
  connection_served: {
    which: 'Calls of the host that this server serves',
    find: ({ connections }) => connections.map(({ host, served }) => ({ labels: { host }, figures: served }))
  }
}

function ofHandler(figures: HandlerName & CallFigures): Calls {
  const { kind, handler, subroute } = figures
  return { labels: { kind, handler, subroute }, figures }
}

interface Figure {
  readonly type: Family['type']
  /** Of which calls comes before it. */
  readonly help: string
  readonly read: (figures: CallFigures) => (Omit<Sample, 'labels'> & Partial<Pick<Sample, 'labels'>>)[]
}

const figures: Readonly<Record<string, Figure>> = {
  total: {
    type: 'counter',
    help: 'all so far, those that are open included.',
    read: ({ calls }) => [{ value: calls }]
  },
  retries_total: {
    type: 'counter',
    help: 'further tries of one call, which count among all.',
    read: ({ retries }) => [{ value: retries }]
  },
  running: { type: 'gauge', help: 'those that are open.', read: ({ running }) => [{ value: running }] },
  oldest_seconds: {
    type: 'gauge',
    help: 'for how long the oldest of those that are open is open.',
    read: ({ oldestMs }) => (oldestMs === undefined ? [] : [{ value: oldestMs / 1000 }])
  },
  errors_total: {
    type: 'counter',
    help: 'those that failed, by the code of their error.',
    read: ({ errors }) => Object.entries(errors).map(([code, value]) => ({ labels: { code }, value }))
  },
  mistakes_total: {
    type: 'counter',
    help: 'errors that a handler threw by mistake, such as a TypeError.',
    read: ({ mistakes }) => [{ value: mistakes }]
  },
  duration_seconds: {
    type: 'histogram',
    help: 'how long those took that have ended.',
    read: ({ durations }) => toHistogram(durations)
  },
  received_bytes_total: {
    type: 'counter',
    help: 'bytes of payloads and messages received.',
    read: ({ bytesIn }) => [{ value: bytesIn }]
  },
  sent_bytes_total: {
    type: 'counter',
    help: 'bytes of payloads and messages sent.',
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

/** Mistakes are those of handlers here, and tries again are made by callers here. */
const hasNo: Readonly<Record<string, string>> = { mistakes_total: 'called', retries_total: 'served' }

export const callFamilies: Readonly<Record<string, Family>> = Object.fromEntries(
  Object.entries(figures).flatMap(([name, { type, help, read }]) =>
    Object.entries(sources)
      .filter(([source]) => !source.endsWith(hasNo[name] ?? '-'))
      .map(([source, { which, find }]): [string, Family] => {
        const samples = (stats: ManagerStats) =>
          find(stats).flatMap((calls) =>
            read(calls.figures).map((sample) => ({ ...sample, labels: { ...calls.labels, ...sample.labels } }))
          )
        return [`${source}_${name}`, { type, help: `${which}: ${help}`, samples }]
      })
  )
)

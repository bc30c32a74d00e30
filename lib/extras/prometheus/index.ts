/**
 * `it-grid/prometheus`: the figures of a grid as metrics of `prom-client`, read from `stats()` at each scrape.
 *
 * It counts nothing itself, so it costs nothing between two scrapes. What the metrics are is in `families.ts`.
 */

import { register as globalRegister, type Metric, type Registry } from 'prom-client'
import { InvalidOptionError, type Manager, type ManagerStats } from '../../index.ts'
import { families } from './families.ts'
import type { Family, Sample } from './family.ts'

export interface CollectOptions {
  /** As of `collectDefaultMetrics` of `prom-client`. Default its global registry. */
  readonly register?: Registry
  /** What the names of the metrics begin with. Default `it_grid_`. */
  readonly prefix?: string
}

/**
 * Registers the metrics of `grid`. Returns what takes them out of the registry again. Several grids of one process need a
 * registry or a prefix each.
 *
 * @throws {InvalidOptionError} when an argument is wrong, or a metric of one of the names is registered already
 */
export function collectGridMetrics(grid: Pick<Manager, 'stats'>, options: CollectOptions = {}): () => void {
  if (typeof grid?.stats !== 'function') throw new InvalidOptionError('collectGridMetrics() takes a Manager first')
  const { register, prefix } = readOptions(options)
  const read = perTurn(() => grid.stats())
  const metrics = Object.entries(families).map(([name, family]) => createMetric(prefix + name, family, read))
  const taken = metrics.find(({ name }) => register.getSingleMetric(name) !== undefined)
  if (taken !== undefined) {
    throw new InvalidOptionError(`a metric ${taken.name} is registered already: give another register or prefix`)
  }
  for (const metric of metrics) register.registerMetric(metric as unknown as Metric)
  return () => {
    for (const metric of metrics) {
      if (Object.is(register.getSingleMetric(metric.name), metric)) register.removeSingleMetric(metric.name)
    }
  }
}

function readOptions(options: CollectOptions): Required<CollectOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('the options of collectGridMetrics() must be an object')
  }
  const { register = globalRegister, prefix = 'it_grid_', ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    throw new InvalidOptionError(`collectGridMetrics() has no option "${unknown}"; it has register, prefix`)
  }
  if (typeof register?.registerMetric !== 'function') {
    throw new InvalidOptionError('register of collectGridMetrics() must be a Registry of prom-client')
  }
  if (!/^([a-zA-Z_:][\w:]*)?$/.test(prefix)) {
    throw new InvalidOptionError('prefix of collectGridMetrics() must be what the name of a metric may begin with')
  }
  return { register, prefix }
}

/** What a registry asks of a metric. Those of `prom-client` itself keep counts of their own, and take no histogram as it is. */
function createMetric(name: string, { type, help, samples }: Family, read: () => ManagerStats) {
  const told = { help, type, aggregator: aggregatorOf(name, type) }
  let inOpenMetrics: string | undefined
  return {
    ...told,
    get name() {
      return name
    },
    // The registry takes `_total` off before each scrape in OpenMetrics. The next one may be in the other format.
    set name(given) {
      inOpenMetrics = given
    },
    async get() {
      const shown = inOpenMetrics ?? name
      inOpenMetrics = undefined
      return { ...told, name: shown, values: samples(read()).map((sample) => toValue(shown, sample)) }
    },
    /** `resetMetrics()` of a registry is for tests of counters that count. */
    reset() {}
  }
}

/** How those of several processes are put together: of times, such as when a host was seen last, a sum says nothing. */
function aggregatorOf(name: string, type: Family['type']): 'sum' | 'max' {
  return type === 'gauge' && name.endsWith('_seconds') ? 'max' : 'sum'
}

function toValue(name: string, { suffix = '', labels, value }: Sample) {
  return suffix === '' ? { labels, value } : { labels, value, metricName: name + suffix }
}

/** One `stats()` for all metrics of a scrape, which are read in one turn: they tell of the same moment. */
function perTurn<T>(take: () => T): () => T {
  let taken: { readonly value: T } | undefined
  return () => {
    if (taken === undefined) {
      taken = { value: take() }
      Promise.resolve().then(() => {
        taken = undefined
      })
    }
    return taken.value
  }
}

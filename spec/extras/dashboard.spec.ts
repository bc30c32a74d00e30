/** deploy/grafana.json shows what there is: its metrics exist, and Prometheus answers its queries. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { collectGridMetrics } from 'it-grid/prometheus'
import { Registry } from 'prom-client'
import { openGrid } from '../support/grid/grid.ts'
import { testManager } from '../support/grid/manager.ts'
import { until } from '../support/until.ts'
import { Prometheus, whyNoPrometheus } from './prometheus-server.ts'

interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
}

const text = readFileSync(new URL('../../deploy/grafana.json', import.meta.url), 'utf8')
const { panels, templating } = JSON.parse(text) as {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string }[] }
}
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))

/** The names of all series of a registry. */
async function seriesOf(register: Registry): Promise<Set<string>> {
  const metrics = await register.getMetricsAsJSON()
  const suffixes = (type: string) => (type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''])
  return new Set(metrics.flatMap(({ name, type }) => suffixes(String(type)).map((suffix) => name + suffix)))
}

describe('the dashboard for Grafana', () => {
  it('names only metrics that exist, and variables of its own', async () => {
    const manager = testManager({ local: 'http://a:1', hosts: ['http://a:1'] })
    const register = new Registry()
    collectGridMetrics(manager, { register })
    const series = await seriesOf(register)
    await manager.close()
    const named = [...text.matchAll(/\bit_grid_\w+/g)].map(([name]) => name)
    assert.ok(named.length > 20)
    assert.deepEqual(
      named.filter((name) => !series.has(name)),
      []
    )
    const variables = new Set([...templating.list.map(({ name }) => name), '__rate_interval'])
    for (const [, name = ''] of text.matchAll(/\$\{?(\w+)/g)) assert.ok(variables.has(name) || name === '__all', name)
  })

  it('shows each panel once, at a place of its own', () => {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`)
    )
    assert.equal(new Set(cells).size, cells.length)
  })

  it('asks what Prometheus can answer, with something to show for a grid that works', {
    skip: whyNoPrometheus
  }, async () => {
    const hangs = new AbortController()
    await using grid = await openGrid(2, {
      keepAlive: { intervalMs: 100 },
      serve(manager) {
        manager.handle('echo', (payload) => payload)
        manager.handle('fail', () => Promise.reject(Object.assign(new Error('no'), { code: 'NO' })))
        manager.handle('hang', (payload, { signal }) => once(signal, 'abort').then(() => payload))
      }
    })
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    await using prometheus = await Prometheus.start(register)
    const calls = async (from: number, to: number) => {
      const peer = grid.at(from).connection(grid.at(to).local)
      await Promise.allSettled([peer.request('echo', new Uint8Array(8)), peer.request('fail')])
    }
    const load = setInterval(() => Promise.all([calls(0, 1), calls(1, 0)]), 10)
    const { signal } = hangs
    const hung = grid
      .at(1)
      .connection(grid.at(0).local)
      .request('hang', undefined, { signal, timeout: Number.POSITIVE_INFINITY })
    const isOver = hung.catch(() => undefined)
    const ask = (expr: string) => prometheus.query(fill(expr), Date.now())
    await until(async () => {
      const answers = await Promise.all(queries.map(({ expr }) => ask(expr)))
      const empty = queries.filter((_, at) => answers[at] === undefined).map(({ title }) => title)
      return empty.length === 1 && empty[0] === 'Hosts that are down'
    }, 'all panels show something, but for the hosts that are down').finally(() => clearInterval(load))
    hangs.abort()
    await isOver
  })
})

/** As Grafana does it. */
function fill(expr: string): string {
  return expr.replaceAll('$__rate_interval', '2s').replaceAll(/\$\w+/g, '.*')
}

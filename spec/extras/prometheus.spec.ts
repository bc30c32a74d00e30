/** `it-grid/prometheus`: what it tells is what `stats()` tells, in a form that Prometheus takes without a complaint. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { collectGridMetrics } from 'it-grid/prometheus'
import { AggregatorRegistry, type PrometheusContentType, Registry } from 'prom-client'
import { dialGuest, sharedSecret, silentLogger } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { until } from '../support/until.ts'
import { Prometheus, promtool, whyNoPrometheus } from './prometheus-server.ts'

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The samples of each metric in the text of a scrape. */
function parse(text: string): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>()
  for (const [, name = '', labels = '', value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
    const pairs = [...labels.matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, key = '', text]) => [key, text])
    found.set(name, [...(found.get(name) ?? []), { labels: Object.fromEntries(pairs), value: Number(value) }])
  }
  return found
}

async function scrape(register: { metrics(): Promise<string> }) {
  const found = parse(await register.metrics())
  return (name: string, labels: Sample['labels'] = {}) =>
    found
      .get(name)
      ?.filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      .map(({ value }) => value)
}

/** A grid of two that has done some work, and is idle. */
async function workedGrid() {
  const grid = await openGrid(2, {
    serve(manager) {
      manager.handle('echo', (payload) => payload)
      manager.handle('fail', () => {
        throw Object.assign(new Error('no such thing'), { code: 'NO_ENTRY' })
      })
    }
  })
  const peer = grid.at(0).connection(grid.at(1).local)
  for (let call = 0; call < 5; call++) await peer.request('echo', new Uint8Array(100))
  return grid
}

describe('collectGridMetrics()', () => {
  it('tells for each host what stats() tells of it, and of the manager', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    const value = await scrape(register)
    const stats = grid.at(0).stats()
    const [connection] = stats.connections
    assert.ok(connection?.session !== undefined)
    const { host, totals, session } = connection
    assert.ok(totals.bytesOut > 500 && totals.messagesIn >= 5)
    assert.deepEqual(value('it_grid_connection_up'), [1])
    for (const [name, figure] of [
      ['up', 1],
      ['state_changed_timestamp_seconds', connection.since / 1000],
      ['dial_failures_total', connection.dialing.failures],
      ['reconnects_total', connection.reconnects],
      ['sent_bytes_total', totals.bytesOut],
      ['received_bytes_total', totals.bytesIn],
      ['sent_batches_total', totals.batchesOut],
      ['received_batches_total', totals.batchesIn],
      ['sent_frames_total', totals.framesOut],
      ['received_frames_total', totals.framesIn],
      ['sent_messages_total', totals.messagesOut],
      ['received_messages_total', totals.messagesIn],
      ['refused_calls_total', totals.refusals],
      ['ignored_frames_total', totals.ignoredFrames],
      ['inbound_streams', session.inboundStreams],
      ['outbound_streams', session.outboundStreams],
      ['running_handlers', session.runningHandlers],
      ['send_queue_bytes', session.sendQueueBytes],
      ['send_queue_streams', session.sendQueueStreams]
    ] as const) {
      assert.deepEqual(value(`it_grid_connection_${name}`, { host }), [figure], name)
    }
    const [seen = 0] = value('it_grid_connection_last_seen_timestamp_seconds', { host }) ?? []
    assert.ok(Math.abs(seen - (connection.lastSeenAt ?? 0) / 1000) < 1)
    assert.deepEqual(value('it_grid_handlers'), [2])
    assert.deepEqual(value('it_grid_handshakes_pending'), [0])
    assert.deepEqual(value('it_grid_handshakes_refused_total'), [stats.refusedHandshakes])
  })

  it('tells for each handler and each host what stats() tells of the calls, at both ends', async () => {
    await using grid = await workedGrid()
    const [caller, handler] = [grid.at(0), grid.at(1)]
    await caller
      .connection(handler.local)
      .request('fail')
      .catch(() => undefined)
    for (const [manager, end, host] of [
      [caller, 'called', handler.local],
      [handler, 'served', caller.local]
    ] as const) {
      const register = new Registry()
      collectGridMetrics(manager, { register })
      const value = await scrape(register)
      const figures = manager.stats()[end].find(({ handler }) => handler === 'echo')
      assert.ok(figures !== undefined && figures.calls === 5)
      const echo = { kind: 'single', handler: 'echo', subroute: '' }
      const inside = (from: string, to: number | undefined) => {
        const [found = -1] = value(`it_grid_${from}`, echo) ?? []
        assert.equal(found, to, from)
      }
      inside(`${end}_total`, 5)
      inside(`${end}_running`, 0)
      inside(`${end}_received_bytes_total`, figures.bytesIn)
      inside(`${end}_sent_bytes_total`, figures.bytesOut)
      inside(`${end}_duration_seconds_sum`, figures.durations.sumMs / 1000)
      inside(`${end}_duration_seconds_count`, 5)
      assert.equal(value(`it_grid_${end}_oldest_seconds`, echo), undefined)
      assert.deepEqual(value(`it_grid_${end}_errors_total`, { handler: 'fail', code: 'NO_ENTRY' }), [1])
      assert.deepEqual(value(`it_grid_connection_${end}_errors_total`, { host, code: 'NO_ENTRY' }), [1])
      assert.deepEqual(value(`it_grid_connection_${end}_total`, { host }), [6])
      assert.deepEqual(value(`it_grid_connection_${end}_duration_seconds_count`, { host }), [6])
      let below = 0
      const { boundsMs, counts } = figures.durations
      for (const [at, count] of counts.entries()) {
        below += count
        const le = at < boundsMs.length ? String((boundsMs[at] as number) / 1000) : '+Inf'
        assert.deepEqual(value(`it_grid_${end}_duration_seconds_bucket`, { ...echo, le }), [below], le)
      }
    }
  })

  it('tells of calls that run, and of mistakes of handlers', async () => {
    await using grid = await openGrid(2, {
      serve: (manager) => manager.handle('hang', (payload, { signal }) => once(signal, 'abort').then(() => payload))
    })
    const [caller, handler] = [grid.at(0), grid.at(1)]
    const abort = new AbortController()
    const hangs = caller.connection(handler.local).request('hang', undefined, { signal: abort.signal })
    const isOver = hangs.catch(() => undefined)
    await until(() => handler.stats().served[0]?.running === 1, 'it runs')
    const stats = handler.stats()
    const served = stats.served.map((figures) => ({ ...figures, mistakes: 3 }))
    const register = new Registry()
    collectGridMetrics({ stats: () => ({ ...stats, served }) }, { register })
    const value = await scrape(register)
    abort.abort()
    await isOver
    assert.deepEqual(value('it_grid_served_running'), [1])
    assert.deepEqual(value('it_grid_served_oldest_seconds'), [(served[0]?.oldestMs as number) / 1000])
    assert.deepEqual(value('it_grid_served_mistakes_total'), [3])
    assert.equal(value('it_grid_called_mistakes_total'), undefined)
  })

  it('tells of a host that went away, and that it is down since then, however often it was dialed', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    // Which of the two dials is decided by their names: the other one only waits.
    const dialing = grid.at(0).connections[0]?.stats().isDialer === true ? 0 : 1
    collectGridMetrics(grid.at(dialing), { register })
    await grid.stop(1 - dialing)
    const [connection] = grid.at(dialing).connections
    const isChanged = () => (connection?.stats().since ?? 0) > (connection?.stats().downSince ?? Infinity)
    await until(isChanged, 'it is away, and in another state than at first')
    const value = await scrape(register)
    assert.deepEqual(value('it_grid_connection_up'), [0])
    const { downSince = 0 } = connection?.stats() ?? {}
    assert.deepEqual(value('it_grid_connection_state_changed_timestamp_seconds'), [downSince / 1000])
    assert.deepEqual(value('it_grid_connection_round_trip_seconds'), undefined)
    assert.deepEqual(value('it_grid_connection_running_handlers'), [0])
  })

  it('counts the guests that are connected, and none that has left while its handler still runs', async () => {
    const auth = sharedSecret('a secret of guests')
    let release = () => {}
    await using grid = await openGrid(1, {
      guests: { allow: () => true, auth },
      serve: (manager) =>
        manager.handle('hold', (payload) => new Promise((resolve) => (release = () => resolve(payload))))
    })
    const { local } = grid.at(0)
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    const guests = async () => (await scrape(register))('it_grid_guests')
    assert.deepEqual(await guests(), [0])
    const dial = (name: string) => dialGuest(local, { auth, name, logger: silentLogger })
    const [stays, leaves] = [await dial('ada'), await dial('bob')]
    await until(async () => (await guests())?.[0] === 2, 'both have come')
    const held = leaves.request('hold').catch(() => undefined)
    await until(() => grid.at(0).stats().served[0]?.running === 1, 'it runs')
    await leaves.close({ timeout: 1 })
    await held
    await until(async () => (await guests())?.[0] === 1, 'one is left')
    assert.equal(grid.at(0).stats().guests.length, 2)
    release()
    await stays.close()
    await until(async () => (await guests())?.[0] === 0, 'none is left')
  })

  it('takes stats() once for a scrape, and not at all between two', async () => {
    let taken = 0
    await using grid = await workedGrid()
    const counted = {
      stats() {
        taken++
        return grid.at(0).stats()
      }
    }
    const register = new Registry()
    collectGridMetrics(counted, { register })
    assert.equal(taken, 0)
    await register.metrics()
    assert.equal(taken, 1)
    await register.metrics()
    assert.equal(taken, 2)
    await register.getMetricsAsJSON()
    assert.equal(taken, 3)
  })

  it('speaks OpenMetrics as well', async () => {
    await using grid = await workedGrid()
    const register = new Registry<PrometheusContentType>()
    const openMetrics = register as unknown as Registry
    openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
    const end = collectGridMetrics(grid.at(0), { register: openMetrics })
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await register.metrics()
      assert.match(text, /^# TYPE it_grid_connection_sent_bytes counter\nit_grid_connection_sent_bytes_total\{/m)
      assert.match(text, /# EOF\n$/)
    }
    end()
    assert.equal(await register.metrics(), '\n# EOF\n')
  })

  it('has its names in either format, whichever the scrape before had', async () => {
    await using grid = await workedGrid()
    const register = new Registry<PrometheusContentType>() as unknown as Registry
    collectGridMetrics(grid.at(0), { register })
    const scrape = async (type: string) => {
      register.setContentType(type as never)
      return await register.metrics()
    }
    const plain = /^# TYPE it_grid_connection_sent_bytes_total counter\nit_grid_connection_sent_bytes_total\{/m
    const open = /^# TYPE it_grid_connection_sent_bytes counter\nit_grid_connection_sent_bytes_total\{/m
    for (let round = 0; round < 2; round++) {
      assert.match(await scrape(Registry.PROMETHEUS_CONTENT_TYPE), plain)
      assert.match(await scrape(Registry.OPENMETRICS_CONTENT_TYPE), open)
    }
  })

  it('puts those of several processes together: sums, and of times the largest', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    const one = await register.getMetricsAsJSON()
    const text = await AggregatorRegistry.aggregate([one, one]).metrics()
    const toldBy = (name: string) =>
      Number(new RegExp(`^it_grid_connection_${name}\\{.*\\} (.*)$`, 'm').exec(text)?.[1])
    const seen = one.find(({ name }) => name === 'it_grid_connection_last_seen_timestamp_seconds')
    assert.equal(toldBy('up'), 2)
    assert.equal(toldBy('last_seen_timestamp_seconds'), (seen as { values?: { value: number }[] })?.values?.[0]?.value)
  })

  it('gives what takes its metrics out again, and no others', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    const end = collectGridMetrics(grid.at(0), { register })
    const endOther = collectGridMetrics(grid.at(1), { register, prefix: 'other_' })
    end()
    assert.match(await register.metrics(), /^other_connection_up/m)
    assert.doesNotMatch(await register.metrics(), /it_grid_/)
    collectGridMetrics(grid.at(1), { register })
    end()
    assert.match(await register.metrics(), /^it_grid_connection_up/m)
    endOther()
    assert.doesNotMatch(await register.metrics(), /other_/)
  })

  it('refuses names that are taken, and what is no grid and no option', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    const before = register.getMetricsAsArray()
    const refused = (message: RegExp) => ({ code: 'ERR_INVALID_OPTION', message })
    const collect = collectGridMetrics as (grid: unknown, options?: unknown) => unknown
    assert.throws(() => collect(grid.at(1), { register }), refused(/it_grid_handlers is registered already/))
    assert.throws(() => collect({ register }), refused(/takes a Manager first/))
    assert.throws(() => collect(undefined), refused(/takes a Manager first/))
    assert.throws(() => collect(grid.at(1), null), refused(/options of collectGridMetrics\(\) must be an object/))
    assert.throws(() => collect(grid.at(1), { registry: register }), refused(/no option "registry"/))
    assert.throws(() => collect(grid.at(1), { register: {} }), refused(/register of .* must be a Registry/))
    assert.throws(() => collect(grid.at(1), { register, prefix: 'my-grid.' }), refused(/prefix of/))
    assert.deepEqual(register.getMetricsAsArray(), before)
  })
})

describe('Prometheus', { skip: whyNoPrometheus }, () => {
  it('has nothing to complain about, with all metrics of a grid that works', async () => {
    await using grid = await workedGrid()
    const register = new Registry()
    collectGridMetrics(grid.at(0), { register })
    assert.equal(await promtool(await register.metrics()), '')
    assert.notEqual(await promtool('# TYPE a_count counter\na_count 1\n'), '')
  })

  it('scrapes a grid, and tells the rate of the load that it had', async () => {
    await using grid = await openGrid(2, { serve: (manager) => manager.handle('echo', (payload) => payload) })
    const register = new Registry()
    collectGridMetrics(grid.at(1), { register })
    await using prometheus = await Prometheus.start(register)
    const peer = grid.at(0).connection(grid.at(1).local)
    const load = setInterval(() => peer.request('echo', new Uint8Array(8)), 10)
    const windowMs = 3000
    const served = () => grid.at(1).stats().served[0]?.calls as number
    const seen: { readonly at: number; readonly calls: number }[] = []
    await until(async () => {
      const now = Date.now()
      seen.push({ at: now, calls: served() })
      const before = seen.findLast(({ at }) => at <= now - windowMs)
      if (before === undefined) return false
      const had = ((served() - before.calls) * 1000) / (now - before.at)
      const told = await prometheus.query('rate(it_grid_served_total{handler="echo"}[3s])', now)
      return told !== undefined && Math.abs(told / had - 1) < 0.1
    }, 'the rate that Prometheus tells is within a tenth of the one that it had').finally(() => clearInterval(load))
    // A scrape that a busy machine is late with leaves none for a while.
    const isUp = async () => (await prometheus.query('it_grid_connection_up', Date.now())) === 1
    await until(isUp, 'Prometheus tells that the connection is up')
  })
})

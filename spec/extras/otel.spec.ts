/** `it-grid/otel`: what the spans of calls say, by the conventions of OpenTelemetry for RPC, and how long calls took. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { afterEach, describe, it } from 'node:test'
import {
  type Context,
  context,
  createContextKey,
  type DiagLogger,
  diag,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SamplingDecision,
  SpanKind,
  SpanStatusCode,
  type TextMapSetter,
  TraceFlags,
  trace
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { type HistogramMetricData, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor
} from '@opentelemetry/sdk-trace-base'
import { type InstrumentOptions, instrument } from 'it-grid/otel'
import { Descriptions } from '../../lib/extras/otel/described.ts'
import { Layer, root } from '../../lib/extras/otel/layer.ts'
import { placeOf } from '../../lib/extras/otel/names.ts'
import {
  type CallMessage,
  channels,
  type HandlerContext,
  type Manager,
  type Metadata,
  single,
  streaming
} from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const echo = single<string, string>('echo')
const fail = single<string, void>('fail')
const hang = single<void, void>('hang')
const count = streaming<number, number, number>('count')

function serve(manager: Manager): void {
  manager.handle(echo, (text) => text)
  manager.handle(echo, (text) => text, { subroute: 'disk/1' })
  manager.handle(fail, (code) => {
    throw Object.assign(new Error('no such thing'), { code })
  })
  manager.handle(
    hang,
    (_none, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  )
  manager.handle(count, async function* (to, requests) {
    for (let n = 1; n <= to; n++) yield n
    for await (const _ of requests);
  })
}

class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

/** An SDK that keeps what it is given. */
function setUp(options: { readonly sampler?: Sampler; readonly instrument?: InstrumentOptions } = {}) {
  const exporter = new InMemorySpanExporter()
  const { sampler } = options
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  const tracers = new BasicTracerProvider({ spanProcessors, ...(sampler === undefined ? {} : { sampler }) })
  const reader = new Reader()
  const meters = new MeterProvider({ readers: [reader] })
  const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()]
  trace.setGlobalTracerProvider(tracers)
  metrics.setGlobalMeterProvider(meters)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new CompositePropagator({ propagators }))
  const end = instrument(options.instrument)
  ends.push(end)
  return {
    end,
    /** The spans of both ends of `calls` calls, once they have ended. */
    async spans(calls: number): Promise<ReadableSpan[]> {
      await until(() => exporter.getFinishedSpans().length >= 2 * calls, `${2 * calls} spans have ended`)
      assert.equal(exporter.getFinishedSpans().length, 2 * calls)
      return exporter.getFinishedSpans()
    },
    finished: () => exporter.getFinishedSpans(),
    async durations(name: string): Promise<HistogramMetricData> {
      const { resourceMetrics } = await reader.collect()
      const found = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
      return found.find(({ descriptor }) => descriptor.name === name) as HistogramMetricData
    }
  }
}

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
  for (const api of [trace, metrics, context, propagation, diag]) api.disable()
})

const ofKind = (spans: readonly ReadableSpan[], kind: SpanKind) => spans.filter((span) => span.kind === kind)

/** The only span of a caller, and of a handler. */
function pairOf(spans: readonly ReadableSpan[]): [caller: ReadableSpan, handler: ReadableSpan] {
  const [caller, handler] = [ofKind(spans, SpanKind.CLIENT), ofKind(spans, SpanKind.SERVER)].map(([span]) => span)
  assert.ok(caller !== undefined && handler !== undefined)
  return [caller, handler]
}

describe('instrument()', () => {
  it('tells by name and version of the package what has made its spans and durations', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    for (const isGiven of [false, true]) {
      const exporter = new InMemorySpanExporter()
      const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
      const reader = new Reader()
      const meterProvider = new MeterProvider({ readers: [reader] })
      ends.push(instrument(isGiven ? { tracerProvider, meterProvider } : {}))
      if (!isGiven) {
        trace.setGlobalTracerProvider(tracerProvider)
        metrics.setGlobalMeterProvider(meterProvider)
      }
      await using grid = await openGrid(2, { serve })
      await grid.at(0).connection(grid.at(1).local).request(echo, 'x')
      await until(() => exporter.getFinishedSpans().length === 2, 'both ends have ended')
      const { resourceMetrics } = await reader.collect()
      const scopes = [
        ...exporter.getFinishedSpans().map((span) => span.instrumentationScope),
        ...resourceMetrics.scopeMetrics.map(({ scope }) => scope)
      ]
      assert.deepEqual(
        scopes.map((scope) => [scope.name, scope.version]),
        Array(3).fill(['it-grid', version])
      )
      for (const end of ends.splice(0)) end()
      for (const api of [trace, metrics]) api.disable()
    }
  })

  it('gives a call a span at each end, that of the handler below that of the caller, below the one that is active', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    const outer = trace.getTracer('spec').startSpan('outer')
    await context.with(trace.setSpan(context.active(), outer), () => peer.subroute('disk/1').request(echo, 'a'))
    const [caller, handler] = pairOf(await sdk.spans(1))
    const server = new URL(peer.host)
    for (const span of [caller, handler]) {
      assert.equal(span.name, 'disk/1/echo')
      assert.equal(span.spanContext().traceId, outer.spanContext().traceId)
      assert.deepEqual(span.status, { code: SpanStatusCode.UNSET })
      assert.deepEqual(span.attributes, {
        'rpc.system.name': 'it-grid',
        'rpc.method': 'disk/1/echo',
        'rpc.status_code': 'OK',
        'server.address': server.hostname,
        'server.port': Number(server.port)
      })
    }
    assert.equal(caller.parentSpanContext?.spanId, outer.spanContext().spanId)
    assert.equal(handler.parentSpanContext?.spanId, caller.spanContext().spanId)
    assert.equal(handler.parentSpanContext?.isRemote, true)
  })

  it('runs a handler, and the generator that it returns, in the span of the handler, with the baggage of the caller', async () => {
    const sdk = setUp()
    const seen: unknown[] = []
    const see = () =>
      seen.push([trace.getActiveSpan()?.spanContext().spanId, propagation.getActiveBaggage()?.getEntry('user')?.value])
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle(echo, async (text) => {
          see()
          await new Promise(setImmediate)
          see()
          return text
        })
        manager.handle(count, async function* () {
          see()
          yield 1
          see()
          await new Promise(setImmediate)
          see()
        })
      }
    })
    const peer = grid.at(0).connection(grid.at(1).local)
    const baggage = propagation.createBaggage({ user: { value: 'ada' } })
    await context.with(propagation.setBaggage(context.active(), baggage), async () => {
      await peer.request(echo, 'a')
      for await (const _ of peer.newStream(count, 1));
    })
    const [ofEcho, ofCount] = ofKind(await sdk.spans(2), SpanKind.SERVER).map((span) => span.spanContext().spanId)
    assert.deepEqual(seen, [...Array(2).fill([ofEcho, 'ada']), ...Array(3).fill([ofCount, 'ada'])])
  })

  it('gives a stream one span for its life', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const stream = grid.at(0).connection(grid.at(1).local).newStream(count, 3)
    await stream.send(1)
    const { responses } = stream
    await responses.next()
    assert.deepEqual(sdk.finished(), [])
    stream.requests.end()
    for await (const _ of responses);
    const [caller, handler] = pairOf(await sdk.spans(1))
    assert.equal(caller.attributes['it_grid.messages_in'], 3)
    assert.equal(caller.attributes['it_grid.messages_out'], 1)
    assert.equal(handler.attributes['it_grid.messages_out'], 3)
    assert.equal(caller.attributes['rpc.status_code'], 'OK')
  })

  it('says of an error its code at both ends, and at the caller whether the handler has run', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    await rejection(grid.at(0).connection(grid.at(1).local).request(fail, 'NO_ENTRY'))
    for (const span of await sdk.spans(1)) {
      assert.equal(span.attributes['rpc.status_code'], 'NO_ENTRY')
      assert.equal(span.attributes['error.type'], 'NO_ENTRY')
      assert.equal(span.status.code, SpanStatusCode.ERROR)
      assert.match(span.status.message ?? '', /no such thing/)
      assert.equal(span.attributes['it_grid.delivery'], span.kind === SpanKind.CLIENT ? 'ran' : undefined)
    }
  })

  it('calls a cancelled call an error of its caller, not of the handler', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const abort = new AbortController()
    const call = grid.at(0).connection(grid.at(1).local).request(hang, undefined, { signal: abort.signal })
    await until(() => grid.at(1).stats().connections[0]?.session?.runningHandlers === 1, 'it runs')
    abort.abort()
    await rejection(call)
    const [caller, handler] = pairOf(await sdk.spans(1))
    assert.equal(caller.status.code, SpanStatusCode.ERROR)
    assert.equal(handler.status.code, SpanStatusCode.UNSET)
    assert.equal(handler.attributes['rpc.status_code'], 'ERR_CANCELLED')
    assert.equal(handler.attributes['error.type'], undefined)
  })

  it('has one name for all methods that there are not', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    await rejection(grid.at(0).connection(grid.at(1).local).request('nonsense-7'))
    await until(() => sdk.finished().length === 1, 'its span has ended')
    const [span] = sdk.finished()
    assert.equal(span?.name, 'it-grid')
    assert.equal(span?.attributes['rpc.method'], '_OTHER')
    assert.equal(span?.attributes['rpc.method_original'], 'nonsense-7')
    assert.equal(span?.attributes['it_grid.delivery'], 'notSent')
    const [point] = (await sdk.durations('rpc.client.call.duration')).dataPoints
    assert.equal(point?.attributes['rpc.method'], '_OTHER')
  })

  it('tells how long calls took, in seconds, with the bounds of the conventions, at both ends', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    for (const text of ['a', 'b']) await peer.request(echo, text)
    await rejection(peer.request(fail, 'NO_ENTRY'))
    await sdk.spans(3)
    const server = { 'server.address': '127.0.0.1', 'server.port': Number(new URL(peer.host).port) }
    for (const [end, place] of [
      ['client', server],
      ['server', {}]
    ] as const) {
      const { descriptor, dataPoints } = await sdk.durations(`rpc.${end}.call.duration`)
      assert.equal(descriptor.unit, 's')
      const common = { 'rpc.system.name': 'it-grid', ...place }
      assert.deepEqual(
        dataPoints.map(({ attributes }) => attributes),
        [
          { ...common, 'rpc.method': 'echo', 'rpc.status_code': 'OK' },
          { ...common, 'rpc.method': 'fail', 'rpc.status_code': 'NO_ENTRY', 'error.type': 'NO_ENTRY' }
        ]
      )
      const { count, sum, buckets } = (dataPoints[0] as HistogramMetricData['dataPoints'][number]).value
      assert.equal(count, 2)
      assert.ok((sum as number) > 0 && (sum as number) < 10)
      assert.deepEqual(buckets.boundaries, [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10])
    }
  })

  it('tells durations by a bounded number of codes, which handlers choose', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    for (let n = 0; n < 80; n++) await rejection(peer.request(fail, `CODE_${n % 70}`))
    await sdk.spans(80)
    for (const end of ['client', 'server']) {
      const { dataPoints } = await sdk.durations(`rpc.${end}.call.duration`)
      const codes = dataPoints.map(({ attributes }) => [attributes['rpc.status_code'], attributes['error.type']])
      const expected = [...Array.from({ length: 64 }, (_, n) => `CODE_${n}`), '_OTHER']
      assert.deepEqual(codes.sort(), expected.map((code) => [code, code]).sort())
    }
  })

  it('sends the context of a trace that is not sampled, so that the handler does not sample it either', async () => {
    const sdk = setUp({ sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) })
    const sent: HandlerContext['metadata'][] = []
    await using grid = await openGrid(2, {
      serve: (manager) =>
        manager.handle(echo, (text, { metadata }) => {
          sent.push(metadata)
          return text
        })
    })
    await grid
      .at(0)
      .connection(grid.at(1).local)
      .request(echo, 'a', { metadata: { tenant: 'x' } })
    assert.match(String(sent[0]?.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    assert.equal(sent[0]?.tenant, 'x')
    assert.deepEqual(sdk.finished(), [])
    assert.equal((await sdk.durations('rpc.client.call.duration')).dataPoints[0]?.value.count, 1)
  })

  it('hands on the trace that it is in where no span of its own is to be seen, and says where it is not sampled here', async () => {
    const sdk = setUp({ sampler: new AlwaysOffSampler() })
    const sent: unknown[] = []
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle('outer', async (payload, { remote }) =>
          manager.connection(remote.host).request('inner', payload)
        )
        manager.handle('inner', (payload, { metadata }) => {
          sent.push(metadata.traceparent)
          return payload
        })
      }
    })
    const peer = grid.at(0).connection(grid.at(1).local)
    const outer = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
    for (const traceFlags of [0, 1]) {
      await context.with(trace.setSpanContext(context.active(), { ...outer, traceFlags }), () => peer.request('outer'))
    }
    const [unsampled, sampled] = sent
    assert.equal(unsampled, `00-${outer.traceId}-${outer.spanId}-00`)
    assert.match(String(sampled), new RegExp(`^00-${outer.traceId}-(?!${outer.spanId})[0-9a-f]{16}-00$`))
    assert.deepEqual(sdk.finished(), [])
  })

  it('asks the sampler also within a trace that is not sampled, unless it is to follow that', async () => {
    const outer = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
    for (const followUnsampled of [false, true]) {
      const sent: unknown[] = []
      const sdk = setUp({ sampler: new AlwaysOnSampler(), instrument: { followUnsampled } })
      await using grid = await openGrid(2, {
        serve: (manager) =>
          manager.handle('echo', (payload, { metadata }) => {
            sent.push([metadata.traceparent, trace.getActiveSpan()?.spanContext().spanId])
            return payload
          })
      })
      const peer = grid.at(0).connection(grid.at(1).local)
      const calls = (traceFlags: number) =>
        context.with(trace.setSpanContext(context.active(), { ...outer, traceFlags }), () => peer.request('echo'))
      await calls(TraceFlags.NONE)
      if (followUnsampled) assert.deepEqual(sent, [[`00-${outer.traceId}-${outer.spanId}-00`, outer.spanId]])
      else await sdk.spans(1)
      await calls(TraceFlags.SAMPLED)
      await sdk.spans(followUnsampled ? 1 : 2)
      await peer.request('echo')
      await sdk.spans(followUnsampled ? 2 : 3)
      sdk.end()
      for (const api of [trace, metrics, context, propagation]) api.disable()
    }
  })

  it('asks the sampler below a span that records although it is not sampled, also where it is to follow a trace', async () => {
    const sampler = { shouldSample: () => ({ decision: SamplingDecision.RECORD }), toString: () => 'records' }
    const sdk = setUp({
      sampler,
      instrument: { followUnsampled: true, attributes: ({ side }) => void seen.push(side) as never }
    })
    const seen: unknown[] = []
    await using grid = await openGrid(2, { serve })
    const span = trace.getTracer('spec').startSpan('outer')
    assert.ok(span.isRecording() && span.spanContext().traceFlags === TraceFlags.NONE)
    const peer = grid.at(0).connection(grid.at(1).local)
    await context.with(trace.setSpan(context.active(), span), () => peer.request(echo, 'a'))
    // To the handler it is a trace that is not sampled, as any other.
    assert.deepEqual(seen, ['caller'])
    sdk.end()
  })

  it('tells durations where there is no tracer, and sends and runs nothing for one', async () => {
    const reader = new Reader()
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
    const attributes = () => assert.fail('there is no span')
    ends.push(instrument({ attributes }))
    const seen: unknown[] = []
    const see = (message: unknown) => seen.push((message as CallMessage).run)
    channels.handle.end.subscribe(see)
    ends.push(() => channels.handle.end.unsubscribe(see))
    await using grid = await openGrid(2, {
      serve: (manager) =>
        manager.handle('echo', (payload, { metadata }) => {
          seen.push(metadata)
          return payload
        })
    })
    await grid.at(0).connection(grid.at(1).local).request('echo')
    assert.deepEqual(seen, [{}, undefined])
    const { resourceMetrics } = await reader.collect()
    const found = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const names = found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.length])
    assert.deepEqual(names.sort(), [
      ['rpc.client.call.duration', 1],
      ['rpc.server.call.duration', 1]
    ])
  })

  it('leaves calls alone that are ignored, and adds attributes to those that are not', async () => {
    const sdk = setUp({
      instrument: { ignore: ({ handler }) => handler === 'fail', attributes: ({ side }) => ({ side }) }
    })
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    await rejection(peer.request(fail, 'NO_ENTRY'))
    await peer.request(echo, 'a')
    const [caller, handler] = pairOf(await sdk.spans(1))
    assert.deepEqual([caller.attributes.side, handler.attributes.side], ['caller', 'handler'])
    assert.equal((await sdk.durations('rpc.server.call.duration')).dataPoints.length, 1)
  })

  it('ends the spans of calls that run when it is ended, and makes no more', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    const abort = new AbortController()
    const call = peer.request(hang, undefined, { signal: abort.signal })
    await until(() => grid.at(1).stats().connections[0]?.session?.runningHandlers === 1, 'it runs')
    sdk.end()
    await peer.request(echo, 'a')
    abort.abort()
    await rejection(call)
    const spans = await sdk.spans(1)
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['hang', 'hang']
    )
  })

  it('sends of the context what fits beside the metadata of the call, text only, and never fails the call by it', async () => {
    const warned: string[] = []
    const sdk = setUp()
    diag.setLogger({ warn: (text: string) => warned.push(text) } as unknown as DiagLogger)
    let seen: Metadata = {}
    const see = single<void, void>('see')
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle(see, (_, { metadata }) => {
          seen = metadata
        })
      }
    })
    const peer = grid.at(0).connection(grid.at(1).local)
    const send = async (baggageBytes: number, metadata: Metadata) => {
      const baggage = propagation.createBaggage({
        of: { value: 'x'.repeat(baggageBytes / 2) },
        and: { value: 'y'.repeat(baggageBytes / 2) }
      })
      await context.with(propagation.setBaggage(context.active(), baggage), () =>
        peer.request(see, undefined, { metadata })
      )
      return ['traceparent' in seen, 'baggage' in seen, Object.keys(metadata).every((key) => key in seen)]
    }
    assert.deepEqual(await send(7000, {}), [true, true, true])
    assert.deepEqual(warned, [])
    assert.deepEqual(await send(8160, {}), [true, false, true])
    assert.deepEqual(await send(4000, { own: 'é'.repeat(2200), bytes: Buffer.alloc(50), n: 1 }), [true, false, true])
    // Where the metadata leaves no room at all, the call is as without a trace.
    assert.deepEqual(await send(10, { own: 'x'.repeat(8180) }), [false, false, true])
    assert.ok(
      warned.length >= 4 && warned.every((text) => /^it-grid\/otel: \w+ is left out: /.test(text)),
      warned.join()
    )
    sdk.end()
    const propagator = {
      inject: (_: unknown, carrier: unknown, setter: TextMapSetter) =>
        setter.set(carrier, 'wrong', { no: 'text' } as never),
      extract: (given: Context) => given,
      fields: () => []
    }
    ends.push(instrument({ propagator }))
    assert.deepEqual(await send(10, {}), [false, false, true])
  })

  it('takes metadata of any kind for a call without a trace', async () => {
    const sdk = setUp()
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    sdk.end()
    ends.push(instrument({ ignore: ({ side }) => side === 'caller' }))
    for (const wrong of [7, true, '', '00-zz-yy-01', 'x'.repeat(500), Buffer.from('00-')]) {
      const metadata = { traceparent: wrong, tracestate: wrong, baggage: wrong }
      assert.equal(await peer.request(echo, 'a', { metadata }), 'a')
    }
    await until(() => sdk.finished().length === 6, 'all have a span')
    for (const span of sdk.finished()) assert.equal(span.parentSpanContext, undefined)
  })

  it('tells the diag of OpenTelemetry what a function of the user throws, and the call goes on', async () => {
    const told: unknown[] = []
    const wrong = new Error('wrong')
    const throws = () => {
      throw wrong
    }
    for (const options of [{ ignore: throws }, { attributes: throws }]) {
      const sdk = setUp({ instrument: options })
      diag.setLogger({ error: (...args: unknown[]) => told.push(args[1]) } as unknown as DiagLogger)
      await using grid = await openGrid(2, { serve })
      assert.equal(await grid.at(0).connection(grid.at(1).local).request(echo, 'a'), 'a')
      sdk.end()
      for (const api of [trace, metrics, context, propagation, diag]) api.disable()
    }
    assert.deepEqual(told, [wrong, wrong, wrong, wrong])
  })

  it('ends the span of a call whose message another subscriber has frozen', async (test) => {
    const sdk = setUp()
    channels.call.start.subscribe(Object.freeze)
    test.after(() => channels.call.start.unsubscribe(Object.freeze))
    await using grid = await openGrid(2, { serve })
    assert.equal(await grid.at(0).connection(grid.at(1).local).request(echo, 'a'), 'a')
    pairOf(await sdk.spans(1))
  })

  it('may be called before the SDK is set up, and without one', async () => {
    ends.push(instrument())
    await using grid = await openGrid(2, { serve })
    const peer = grid.at(0).connection(grid.at(1).local)
    assert.equal(await peer.request(echo, 'a'), 'a')
    ends.pop()?.()
    const later = instrument()
    const sdk = setUp()
    sdk.end()
    await peer.request(echo, 'a')
    await sdk.spans(1)
    assert.equal((await sdk.durations('rpc.client.call.duration')).dataPoints.length, 1)
    later()
  })

  it('refuses what is no option', () => {
    const wrong = instrument as (options: unknown) => unknown
    const refused = (message: RegExp) => ({ code: 'ERR_INVALID_OPTION', message })
    assert.throws(() => wrong({ tracer: {} }), refused(/no option "tracer"; it has tracerProvider, /))
    assert.throws(() => wrong({ ignore: 'echo' }), refused(/instrument\.ignore must be a function/))
    assert.throws(() => wrong({ followUnsampled: 1 }), refused(/instrument\.followUnsampled must be a boolean/))
    assert.throws(() => wrong({ propagator: 7 }), refused(/instrument\.propagator must be an object/))
    assert.throws(() => wrong(7), refused(/options of instrument\(\) must be an object/))
  })
})

describe('a context in layers', () => {
  it('has the values that were set, the last of each, and does not change', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => createContextKey(name)) as [symbol, symbol, symbol]
    const below = ROOT_CONTEXT.setValue(a, 1).setValue(b, 2)
    const layer = Layer.over(below)
    const all = [layer]
    let last: Context = layer
    for (let n = 0; n < 20; n++) {
      last = last.setValue(b, n).setValue(c, -n)
      assert.deepEqual([last.getValue(a), last.getValue(b), last.getValue(c)], [1, n, -n])
      assert.equal(last.deleteValue(a).getValue(a), undefined)
      assert.equal(last.deleteValue(c).getValue(c), undefined)
    }
    assert.deepEqual(
      [a, b, c].map((key) => all[0]?.getValue(key)),
      [1, 2, undefined]
    )
    assert.equal(Layer.over(layer), layer)
  })

  it('are a few: one that is made of another again and again does not grow', () => {
    const key = createContextKey('a')
    let last: Context = root
    const seen = new Set<boolean>()
    for (let n = 0; n < 10; n++) {
      last = last.setValue(key, n)
      seen.add(last instanceof Layer)
    }
    assert.deepEqual([...seen], [true, false])
    assert.ok(!(last instanceof Layer))
  })
})

describe('the place of a server', () => {
  it('is the address and the port that its name says, be it the default one; of another name it is the name', () => {
    for (const [name, address, port] of [
      ['https://node-1', 'node-1', 443],
      ['http://node-1', 'node-1', 80],
      ['https://node-1.example:9000', 'node-1.example', 9000],
      ['http://[::1]:9000', '::1', 9000]
    ]) {
      assert.deepEqual(placeOf(String(name)), { 'server.address': address, 'server.port': port })
    }
    assert.deepEqual(placeOf('guest:ada'), { 'server.address': 'guest:ada' })
  })
})

describe('what is said of calls', () => {
  it('is kept for a bounded number of methods, of all servers together', () => {
    const descriptions = new Descriptions('caller')
    const of = (server: number, method: number) =>
      descriptions.of(`https://node-${server}`, { subroute: '', handler: `method-${method}` })
    const first = of(0, 0)
    // 64 servers with 64 methods each.
    for (let n = 1; n < 4096; n++) of(n % 64, Math.floor(n / 64))
    assert.equal(of(0, 0), first, 'there is room for all of them')
    of(64, 0)
    const anew = of(0, 0)
    assert.notEqual(anew, first)
    assert.deepEqual([anew.method, anew.atStart], [first.method, first.atStart])
    assert.deepEqual(anew.atEnd('OK', false), first.atEnd('OK', false))
    assert.equal(of(0, 0), anew)
  })
})

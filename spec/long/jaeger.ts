/**
 * The trace of three processes in a real Jaeger, which this builds from its Go module: Jaeger itself is asked for it.
 *
 *     npm run long:jaeger
 *
 * Needs `go`, which is `GO` of the environment, or on the path, or where its installer puts it; without it nothing is tested,
 * and the reason is printed. The build takes some ten minutes, and is kept in `node_modules/.cache`.
 */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { draw, expectedTree, runThreeServers } from '../extras/three-traced-servers.ts'
import { freePorts } from '../support/network/free-port.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const version = 'v1.76.0'
const program = 'github.com/jaegertracing/jaeger/cmd/jaeger'
const folder = fileURLToPath(new URL(`../../node_modules/.cache/it-grid-jaeger/${version}/`, import.meta.url))
const binary = join(folder, 'jaeger')

/** What Jaeger answers of a trace. */
interface JaegerTrace {
  readonly traceID: string
  readonly spans: readonly {
    readonly spanID: string
    readonly operationName: string
    /** In microseconds. */
    readonly startTime: number
    readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[]
    readonly tags: readonly { readonly key: string; readonly value: unknown }[]
  }[]
}

async function findGo(): Promise<string | undefined> {
  for (const go of [process.env.GO, 'go', '/usr/local/go/bin/go']) {
    if (go === undefined) continue
    const found = await run(go, ['version']).catch(() => undefined)
    if (found !== undefined) return go
  }
  return undefined
}

async function build(go: string): Promise<void> {
  if (existsSync(binary)) return
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'go.mod'), 'module it-grid-jaeger\n\ngo 1.25\n')
  for (const args of [
    ['get', '-tool', `${program}@${version}`],
    ['build', '-o', binary, program]
  ]) {
    console.log(`go ${args.join(' ')}`)
    await run(go, args, { cwd: folder, maxBuffer: 2 ** 26 })
  }
}

/** Spans come in by OTLP over HTTP, stay in memory, and are asked for over HTTP. */
async function writeConfig(otlpPort: number, queryPort: number, grpcPort: number): Promise<string> {
  const at = (port: number) => ({ endpoint: `127.0.0.1:${port}` })
  const config = {
    service: {
      extensions: ['jaeger_storage', 'jaeger_query'],
      pipelines: { traces: { receivers: ['otlp'], processors: [], exporters: ['jaeger_storage_exporter'] } },
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } }
    },
    extensions: {
      jaeger_storage: { backends: { kept: { memory: { max_traces: 1000 } } } },
      jaeger_query: { enable_tracing: false, storage: { traces: 'kept' }, http: at(queryPort), grpc: at(grpcPort) }
    },
    receivers: { otlp: { protocols: { http: at(otlpPort) } } },
    exporters: { jaeger_storage_exporter: { trace_storage: 'kept' } }
  }
  const file = join(folder, 'config.yaml')
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config, undefined, 2))
  return file
}

async function ask<T>(url: string): Promise<T> {
  const response = await fetch(url)
  const { data } = (await response.json()) as { readonly data: T }
  return data
}

async function findTraces(url: string): Promise<JaegerTrace[]> {
  const services = (await ask<string[] | null>(`${url}/api/services`)) ?? []
  const found = services.map((name) => ask<JaegerTrace[]>(`${url}/api/traces?service=${encodeURIComponent(name)}`))
  return (await Promise.all(found)).flat()
}

function toDrawn({ spans }: JaegerTrace) {
  return spans.map(({ spanID, operationName, startTime, references, tags }) => {
    const attributes = Object.fromEntries(tags.map(({ key, value }) => [key, value]))
    const parent = references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? ''
    const isCaller = attributes['span.kind'] === 'client'
    return { spanId: spanID, parentSpanId: parent, name: operationName, isCaller, start: BigInt(startTime), attributes }
  })
}

async function test(): Promise<void> {
  const [otlpPort = 0, queryPort = 0, grpcPort = 0] = await freePorts(3)
  const jaeger = spawn(binary, ['--config', await writeConfig(otlpPort, queryPort, grpcPort)], {
    // Its own traces are none of this.
    env: { ...process.env, OTEL_TRACES_SAMPLER: 'always_off' },
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const ended = once(jaeger, 'exit')
  try {
    const url = `http://127.0.0.1:${queryPort}`
    await until(
      () =>
        ask(`${url}/api/services`).then(
          () => true,
          () => jaeger.exitCode !== null
        ),
      'Jaeger answers',
      60_000
    )
    assert.equal(jaeger.exitCode, null, 'Jaeger runs')
    const { hosts, answer } = await runThreeServers(`http://127.0.0.1:${otlpPort}/v1/traces`)
    assert.equal(answer, 12)
    await until(async () => (await findTraces(url)).some(({ spans }) => spans.length === 10), 'ten spans of one trace')
    const traces = await findTraces(url)
    assert.equal(new Set(traces.map(({ traceID }) => traceID)).size, 1, 'one trace')
    const tree = draw(toDrawn(traces[0] ?? assert.fail()), hosts)
    console.log(tree.join('\n'))
    assert.deepEqual(tree, expectedTree)
    console.log(`Jaeger ${version} has one trace of 10 spans, with the right parents`)
  } finally {
    jaeger.kill()
    await ended
  }
}

const go = await findGo()
if (go === undefined && !existsSync(binary)) console.log('skipped: there is no go to build Jaeger with')
else {
  if (go !== undefined) await build(go)
  await test()
}

/** docs/observability.md is true: its programs run and show what it says, and its tables list what there is. */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { collectGridMetrics } from 'it-grid/prometheus'
import { Registry } from 'prom-client'
import { paced } from '../support/clock/pace.ts'
import { testManager } from '../support/grid/manager.ts'
import { freePort } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { receiveSpans } from './otlp-receiver.ts'

const run = promisify(execFile)
const page = new MarkdownFile('docs/observability.md')

/** The program of the page that imports a module. */
function programOf(module: string): string {
  return page.code('ts').find((code) => code.includes(`from '${module}'`)) ?? assert.fail('no program')
}

const args = (program: string) => [...sourceArgs, '--input-type=module', '--eval', program]

/** A program as a process. */
function start(program: string) {
  const child = spawn(process.execPath, args(program), {
    cwd: root,
    env: childEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const gone = once(child, 'close')
  return {
    isRunning: () => child.exitCode === null,
    async [Symbol.asyncDispose]() {
      child.kill()
      await gone
    }
  }
}

describe('the traces of docs/observability.md', () => {
  it('are printed by its program, with the durations, and it ends by itself', async () => {
    const options = { cwd: root, env: childEnvironment(), timeout: paced(60_000) }
    const { stdout, stderr } = await run(process.execPath, args(programOf('it-grid/otel')), options)
    assert.equal(stdout.match(/^ {2}name: 'echo',$/gm)?.length, 2, stdout)
    for (const name of ['client', 'server']) assert.ok(stdout.includes(`'rpc.${name}.call.duration'`), stdout)
    assert.equal(stderr, '')
  })

  it('are sent by it where its exporter is the other one: one, of the caller and of the handler', async () => {
    await using receiver = await receiveSpans()
    const { port } = new URL(receiver.url)
    const toCollector = programOf('@opentelemetry/exporter-trace-otlp-http').replace('4318', port)
    const printing = 'const exporter = new ConsoleSpanExporter()\n'
    assert.ok(programOf('it-grid/otel').includes(printing))
    await using program = start(programOf('it-grid/otel').replace(printing, toCollector))
    await until(() => !program.isRunning(), 'the program ends by itself', 60_000)
    const [caller, handler] = receiver.spans.toSorted((a, b) => b.kind - a.kind)
    assert.deepEqual([caller?.name, handler?.name, receiver.spans.length], ['echo', 'echo', 2])
    assert.equal(handler?.parentSpanId, caller?.spanId)
  })
})

describe('the metrics of docs/observability.md', () => {
  it('are told by its program, as it says', async () => {
    const port = String(await freePort())
    await using program = start(programOf('it-grid/prometheus').replaceAll('9001', port))
    let told = ''
    await until(
      async () => {
        assert.ok(program.isRunning())
        told = await fetch(`http://127.0.0.1:${port}/metrics`).then(
          (response) => response.text(),
          () => ''
        )
        return told !== ''
      },
      'the program answers',
      60_000
    )
    for (const line of page
      .code('text')
      .find((block) => block.startsWith('it_grid_'))
      ?.trim()
      .split('\n') ?? [])
      assert.ok(told.split('\n').includes(line), told)
  })

  it('are all that there are, with their types and what they mean', async () => {
    const manager = testManager({ local: 'http://a:1', hosts: ['http://a:1'] })
    const register = new Registry()
    collectGridMetrics(manager, { register, prefix: '' })
    const metrics = await register.getMetricsAsJSON()
    await manager.close()
    const rows = page.rows('Metrics')
    const listed = rows.slice(rows.findIndex(([first]) => first === 'metric') + 2)
    assert.deepEqual(
      listed,
      metrics.map(({ name, type, help }) => [name, String(type), help])
    )
    assert.equal(new Set(metrics.map(({ help }) => help)).size, metrics.length, 'each says of what it is')
  })
})

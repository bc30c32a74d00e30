/** The programs of docs/frameworks.md run as the page says: two servers, of two frameworks, ask each other. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { transformSync } from 'esbuild'
import { freePorts } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'

const page = new MarkdownFile('docs/frameworks.md')
const cache = join(root, 'node_modules/.cache')

/** The program that imports a package. */
function programOf(name: string): string {
  return page.code('ts').find((code) => code.includes(`from '${name}'`)) ?? assert.fail(`no program of ${name}`)
}

/** As the compiler of a NestJS project makes it. */
function withoutDecorators(code: string): string {
  const tsconfigRaw = { compilerOptions: { experimentalDecorators: true } }
  return transformSync(code, { loader: 'ts', format: 'esm', target: 'node20', tsconfigRaw }).code
}

/** The answer of the server at a port, once it answers. */
async function ask(port: number): Promise<string> {
  let answer = ''
  const get = async () => {
    const response = await fetch(`http://127.0.0.1:${port}`).catch(() => undefined)
    answer = response?.ok ? await response.text() : ''
    return answer !== ''
  }
  await until(get, `port ${port} answers`, 60_000)
  return answer
}

describe('the programs of docs/frameworks.md', { concurrency: true }, () => {
  mkdirSync(cache, { recursive: true })
  // Below the root, where their imports are found.
  const folder = mkdtempSync(join(cache, 'frameworks-'))
  after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'grid.ts'), page.code('ts')[0] ?? '')

  function start(name: string, port: number, other: number) {
    const code = programOf(name)
    const hasDecorators = code.includes('\n@')
    const file = join(folder, `${name.replace(/\W/g, '-')}.${hasDecorators ? 'mjs' : 'ts'}`)
    writeFileSync(file, hasDecorators ? withoutDecorators(code) : code)
    const child = spawn(process.execPath, [...sourceArgs, file, String(port), String(other)], {
      ...{ cwd: root, env: childEnvironment(), stdio: ['ignore', 'ignore', 'inherit'] as const }
    })
    const gone = once(child, 'close')
    return {
      /** Ends it as a deploy does. */
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM')
        // NestJS sends the signal again when all is done.
        assert.deepEqual(await gone, name === '@nestjs/core' ? [null, 'SIGTERM'] : [0, null], name)
      }
    }
  }

  for (const [one, two] of [
    ['express', 'koa'],
    ['@hono/node-server', 'fastify'],
    ['@nestjs/core', '@nestjs/core']
  ] as const) {
    it(`${one} and ${two} ask each other beside their routes, and end when they are told to`, async () => {
      const [here, there] = (await freePorts(2)) as [number, number]
      await using _one = start(one, here, there)
      await using _two = start(two, there, here)
      assert.match(await ask(here), new RegExp(`^hello (Express|Hono|Nest), says http://127.0.0.1:${there}$`))
      assert.match(await ask(there), new RegExp(`^hello (Koa|Fastify|Nest), says http://127.0.0.1:${here}$`))
    })
  }

  it('are all run here but that of Next.js', () => {
    const others = page.code('ts').filter((code) => code.includes("from './grid.ts'") && !code.includes("from 'next'"))
    assert.equal(others.length, 5)
  })
})

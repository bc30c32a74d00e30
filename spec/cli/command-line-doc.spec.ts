/** docs/command-line.md is true: its grid is started, each of its lines is run in a shell, and prints what the page says. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { before, describe, it } from 'node:test'
import { exitCodes } from 'it-grid/cli'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { freePorts } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { folder, runHere, shell } from './command-line.ts'

const page = new MarkdownFile('docs/command-line.md')

/** Each line that begins with `$`, and what is printed below it. */
const commands = page.code('console').flatMap((block) => {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...lines] = part.split('\n')
      return { command, expected: lines.join('\n').trimEnd() }
    })
})

/** What the doctor finds of event loops is true of a busy machine, and not what the page is about. */
function onAQuietMachine(text: string): string {
  if (!text.includes('blockedLoop')) return text
  const others = text.replace(/^no +\S+ +loop: .*\n +blockedLoop: .*\n/gm, '')
  return /^no /m.test(others) ? others : others.replace(/^\d+ faults?$/m, 'no fault was found')
}

/** Figures, ages, names of processes, tokens and widths are other ones each time. */
function steady(text: string): string {
  return (
    text
      // What the doctor says of a machine that does much else.
      .replace(/^\? .*\n {4}.*\n/gm, '')
      .replace(/http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\//, 'http://127.0.0.1/PATH/')
      .replace(/\b[0-9a-f]{8,32}\b/g, 'ID')
      .replace(/(?:\b\d[\d,.]* (?:ms|s|min|[KM]?i?B)\b)|–/g, 'N unit')
      .replace(/\d[\d,.:]*/g, 'N')
      .replace(/ +/g, ' ')
      .trimEnd()
  )
}

/** A line without a pipe is run here, which takes no process. */
async function printed(line: string, env: Record<string, string>): Promise<string> {
  const [, command = '', echo] = /^it-grid ([^|]*?)(; echo "exit code \$\?")?$/.exec(line) ?? []
  if (command === '') {
    const { stdout, stderr } = await shell(line, env).ended
    return stderr + stdout
  }
  const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
  const stop = new AbortController()
  const chunks: string[] = []
  const stdout = new Writable({
    write(chunk, _, done) {
      chunks.push(String(chunk))
      // It would go on for ever.
      if (args[0] === 'inspect') stop.abort()
      done()
    }
  })
  const { code, stderr } = await runHere(args, { env, stdout, signal: stop.signal })
  return `${stderr}${chunks.join('')}${echo === undefined ? '' : `exit code ${code}\n`}`
}

describe('docs/command-line.md', () => {
  before(() => buildPage())

  it('says of each line what it prints', async (test) => {
    const { file } = folder(test)
    const ports = (await freePorts(3)).map(String)
    const here = (text: string) => text.replace(/\b900([123])\b/g, (_, at) => ports[Number(at) - 1] ?? '')
    // In a table the place of a longer port is kept.
    const there = (text: string) =>
      ports.reduce(
        (all, port, at) => all.replaceAll(`${port}  `, `900${at + 1}   `).replaceAll(port, `900${at + 1}`),
        text
      )
    const program = here(page.code('ts').join(''))
      .replace("from 'it-grid'", `from '${join(root, 'lib/index.ts')}'`)
      .replace("from 'it-grid/locks'", `from '${join(root, 'lib/extras/locks/index.ts')}'`)
    const source = file('grid.mts', program)
    const child = spawn(process.execPath, [...sourceArgs, source], {
      ...{ cwd: root, env: { ...childEnvironment() }, stdio: ['ignore', 'pipe', 'inherit'] }
    })
    const gone = once(child, 'close')
    let told = ''
    child.stdout?.on('data', (text) => {
      told += text
    })
    try {
      await until(() => told === 'ready\n', 'the grid is ready', 60_000)
      const [secret = ''] = /(?<=printf ').*(?=\\n' > secret)/.exec(page.code('sh').join('')) ?? []
      const env = { IT_GRID_SECRET_FILE: file('secret', `${secret}\n`), IT_GRID_HOST: here('http://127.0.0.1:9001') }
      const outputs: string[] = []
      for (const { command } of commands) outputs.push(there(await printed(here(command), env)))
      if (process.env.WRITE_PAGE === '1') write(outputs)
      for (const [at, { command, expected }] of commands.entries()) {
        assert.equal(steady(onAQuietMachine(outputs[at] ?? '')), steady(expected), command)
      }
    } finally {
      child.kill()
      await gone
    }
  })

  it('lists all exit codes', () => {
    const listed = page
      .rows('Exit codes')
      .slice(2)
      .flatMap(([code = '']) => code.split(', ').map(Number))
    for (const code of Object.values(exitCodes)) assert.ok(listed.includes(code), String(code))
    assert.deepEqual(
      listed.filter((code) => !Object.values(exitCodes).includes(code as never)),
      [130, 143]
    )
  })
})

/** Writes what was printed into the page. */
function write(outputs: readonly string[]): void {
  let at = 0
  const text = page.text.replace(/^```console\n([\s\S]*?)^```$/gm, (_, block: string) => {
    const lines = block.split('\n').filter((line) => line.startsWith('$ '))
    const told = lines.map((line) => `${line}\n${outputs[at++]?.trimEnd()}\n`)
    return `\`\`\`console\n${told.join('')}\`\`\``
  })
  writeFileSync(join(root, page.path), text)
}

/** The processes of the specs: those that they start end with whoever started them, and those that run them tell all. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment, endProcess, sourceArgs } from '../support/process/child.ts'

const kit = JSON.stringify(new URL('../support/process/obey.ts', import.meta.url).href)

/** `before` runs before it obeys. */
function start(before = ''): ChildProcess {
  const source = `
    import { obey, tell } from ${kit}
    setInterval(() => undefined, 1000)
    ${before}
    obey({})
    if (process.connected) tell('obeys')
  `
  const args = [...sourceArgs, '--input-type=module', '--eval', source]
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: childEnvironment() })
}

describe('a process that obeys a driver', () => {
  it('ends when the driver goes', async () => {
    const child = start()
    await once(child, 'message')
    child.disconnect()
    assert.deepEqual(await once(child, 'exit'), [1, null])
  })

  it('ends when the driver went while it was starting', async () => {
    const child = start('while (process.connected) await new Promise(setImmediate)')
    child.disconnect()
    assert.deepEqual(await once(child, 'exit'), [1, null])
  })
})

describe('the end of a process', () => {
  it('is there at once for one that has ended by itself, was never there, or was killed already', async () => {
    const [ended, missing, killed] = [
      spawn(process.execPath, ['--version'], { stdio: 'ignore' }),
      spawn('no-such-program').on('error', () => undefined),
      spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' })
    ]
    await once(ended, 'close')
    await endProcess(killed)
    for (const child of [ended, missing, killed, undefined]) await endProcess(child)
    assert.deepEqual([ended.exitCode, missing.pid, killed.signalCode], [0, undefined, 'SIGKILL'])
  })
})

describe('a free port', () => {
  const ports = JSON.stringify(new URL('../support/network/free-port.ts', import.meta.url).href)

  it('is given once, to one of the processes that run', async () => {
    const source = `
      import { freePorts } from ${ports}
      process.send(await freePorts(250))
      process.once('disconnect', () => process.exit())
    `
    const args = [...sourceArgs, '--input-type=module', '--eval', source]
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: childEnvironment() })
    )
    const given = await Promise.all(children.map(async (child) => (await once(child, 'message'))[0] as number[]))
    await Promise.all(children.map((child) => endProcess(child)))
    assert.equal(new Set(given.flat()).size, 3 * 250)
  })

  it('is not looked for without end where this process may have no more', async () => {
    const source = `import { freePorts } from ${ports}\nawait freePorts(250)`
    const limited = ['-c', 'ulimit -n 100 && exec "$0" "$@"', process.execPath]
    const child = spawn('sh', [...limited, ...sourceArgs, '--input-type=module', '--eval', source], {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: childEnvironment()
    })
    let stderr = ''
    child.stderr.on('data', (text) => {
      stderr += text
    })
    await once(child, 'close')
    assert.match(stderr, /none of 1000 ports from 20000 to 31999 is free: Error: .* EMFILE/)
  })
})

describe('a run of many files', () => {
  const suite = fileURLToPath(new URL('../support/suite.mjs', import.meta.url))
  const fact = (title: string, body = '') => `import { it } from 'node:test'\nit('${title}', () => { ${body} })\n`

  /** `contents`: of files that are given in this order. */
  async function runOf(test: TestContext, ...contents: string[]) {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-suite-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const files = contents.map((content, at) => {
      const file = join(folder, `${at}.mjs`)
      writeFileSync(file, content)
      return file
    })
    // Otherwise Node would take it for a file of the run that this is one of.
    const env = { ...childEnvironment(), NODE_TEST_CONTEXT: undefined }
    const child = spawn(process.execPath, [suite, ...files], { stdio: ['ignore', 'pipe', 'inherit'], env })
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    return { output, code: child.exitCode }
  }

  it('runs each fact of each file once, whether its process is its own or not', async (test) => {
    const hook = "import { after } from 'node:test'\nafter(() => undefined)\n"
    const files = Array.from({ length: 20 }, (_, n) => `${n % 5 === 0 ? hook : ''}${fact(`fact ${n}`)}`)
    const { output, code } = await runOf(test, ...files)
    assert.equal(code, 0, output)
    const told = [...output.matchAll(/^# ok: (fact \d+) /gm)].map(([, title]) => title)
    assert.deepEqual(told.sort(), Array.from({ length: 20 }, (_, n) => `fact ${n}`).sort())
    assert.match(output, /^# tests 20$/m)
  })

  it('fails when one fact does, and tells of those beside it', async (test) => {
    const { output, code } = await runOf(
      test,
      fact('one'),
      fact('two', "throw new Error('three is wrong')"),
      fact('four')
    )
    assert.equal(code, 1)
    assert.match(output, /^not ok 2 - two$[\s\S]*three is wrong/m)
    assert.match(output, /^# ok: one /m)
    assert.match(output, /^# ok: four /m)
  })

  it('counts the facts of a suite in it, with its hooks and the suites in it', async (test) => {
    const { output, code } = await runOf(
      test,
      fact('before'),
      `import { after, before, describe, it } from 'node:test'
      describe('outer', () => {
        before(() => console.log('opened'))
        after(() => console.log('closed'))
        it('waits', () => new Promise((resolve) => setTimeout(resolve, 1)))
        describe('inner', () => {
          it('has parts', async (test) => {
            await test.test('a part', async () => { throw new Error('the part is wrong') })
          })
        })
      })`,
      fact('behind')
    )
    assert.equal(code, 1)
    for (const line of ['# ok: before ', '# ok: behind ', '# opened$', '# closed$', '# tests 5$', '# suites 2$']) {
      assert.match(output, new RegExp(`^${line}`, 'm'))
    }
    assert.match(output, /^not ok \d+ - outer$/m)
    assert.match(output, /^ {4}not ok 2 - inner$/m)
    assert.match(output, /^ {8}not ok 1 - has parts$/m)
    assert.match(output, /^ {12}not ok 1 - a part$[\s\S]*the part is wrong/m)
  })

  for (const [kind, body] of [
    ['uncaught exception', "setTimeout(() => { throw new Error('this is uncaught') })"],
    ['unhandled rejection', "void new Promise(setImmediate).then(() => { throw new Error('this is uncaught') })"]
  ]) {
    it(`fails the fact that runs, at once, for an ${kind}`, async (test) => {
      const { output, code } = await runOf(
        test,
        fact('one'),
        `import { it } from 'node:test'\nit('two', () => { ${body}; return new Promise(() => setInterval(() => undefined, 1000).unref()) })\n`,
        fact('three')
      )
      assert.equal(code, 1)
      assert.match(output, /^not ok \d+ - two$[\s\S]*this is uncaught/m)
      assert.match(output, /^# ok: one /m)
      assert.match(output, /^# ok: three /m)
    })
  }

  it('fails when a fact leaves another clock to the files behind it', async (test) => {
    const { output, code } = await runOf(test, fact('one', 'performance.now = () => 7'))
    assert.equal(code, 1)
    assert.match(output, /now: another was left behind/)
  })

  it('fails when a file leaves another clock as soon as it is imported', async (test) => {
    const { output, code } = await runOf(test, `performance.now = () => 7\n${fact('one')}`)
    assert.equal(code, 1, output)
    assert.match(output, /another was left behind/)
  })

  it('lets a fact have another clock while a file behind it is still imported', async (test) => {
    const { output, code } = await runOf(
      test,
      `import { it } from 'node:test'
      it('one', async () => {
        const { now } = performance
        performance.now = () => 7
        globalThis.runs = true
        while (!globalThis.isImported) await new Promise(setImmediate)
        await new Promise(setImmediate)
        performance.now = now
      })`,
      `for (let turns = 0; !globalThis.runs && turns < 10_000; turns++) await new Promise(setImmediate)
      globalThis.isImported = true
      ${fact('two', "if (!globalThis.runs) throw new Error('it did not run before')")}`
    )
    assert.equal(code, 0, output)
  })

  it('fails when a fact ends the process, and the files behind it with that', async (test) => {
    const { output, code } = await runOf(test, fact('one', 'process.exit(0)'), fact('two'))
    assert.equal(code, 1, output)
    assert.match(output, /^not ok /m)
  })

  it('fails when a file cannot be loaded, and says why', async (test) => {
    const { output, code } = await runOf(test, fact('one'), "throw new Error('no such file')")
    assert.equal(code, 1)
    assert.match(output, /no such file/)
  })
})

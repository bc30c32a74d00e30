/**
 * The test kit works under vitest and jest as it does under `node:test`: real runs of both, on the built package, with real timers
 * and with the fake ones of each.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { paced } from '../support/clock/pace.ts'
import { root } from '../support/pages/markdown.ts'
import { childEnvironment } from '../support/process/child.ts'

const run = promisify(execFile)
const modules = join(root, 'node_modules')
const runners = {
  vitest: { binary: 'vitest/vitest.mjs', args: ['run', 'vitest.test.js'] },
  jest: { binary: 'jest/bin/jest.js', args: ['--runInBand', 'jest.test.js'] }
}
const config = { testMatch: ['**/jest.test.js'], transform: {}, testEnvironment: 'node' }

describe('it-grid/testing under other runners', () => {
  let folder = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'it-grid-runners-'))
    // As it is installed: runners treat what is below `node_modules` in another way than what is not.
    const installed = join(folder, 'node_modules')
    await mkdir(join(installed, 'it-grid'), { recursive: true })
    const names = (await readdir(modules)).filter((name) => !name.startsWith('.'))
    for (const name of names) await symlink(join(modules, name), join(installed, name))
    await cp(join(root, 'package.json'), join(installed, 'it-grid/package.json'))
    const tsc = join(modules, 'typescript/bin/tsc')
    const outDir = join(installed, 'it-grid/dist')
    await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', outDir], { cwd: root })
    await cp(new URL('runners/', import.meta.url), folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', jest: config }))
  })
  after(async () => {
    await rm(folder, { recursive: true })
  })

  for (const [name, { binary, args }] of Object.entries(runners)) {
    const file = join(modules, binary)
    it(`runs under ${name}, a deadline of 30 s in less than 100 ms of a processor`, {
      skip: existsSync(file) ? false : `${name} is not installed: npm ci`
    }, async (test) => {
      const env = { ...childEnvironment(), NO_COLOR: '1', NODE_OPTIONS: '--experimental-vm-modules --no-warnings' }
      const options = { cwd: folder, env, timeout: paced(240_000) }
      const { stdout, stderr } = await run(process.execPath, [file, ...args], options).catch((error) =>
        assert.fail(`${error.stdout}${error.stderr}`)
      )
      const printed = stdout + stderr
      assert.match(printed, /3 passed/)
      const took = Number(/30 s took (\d+) ms/.exec(printed)?.[1])
      test.diagnostic(`30 s took ${took} ms`)
      assert.ok(took < 100, `${took} ms`)
    })
  }
})

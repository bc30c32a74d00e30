/**
 * The benchmark of the arguments of a lock: that it measures what comes back as it went, and that it runs through.
 *
 * What it says of times is not looked at: the process runs the sources, each form once or hardly more often.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type LockArgs, measuredArgs } from '../../benchmarks/harness/lock-args.ts'
import { type Coding, form, forms } from '../../benchmarks/micro/lock-args/forms.ts'
import { encodeText } from '../../benchmarks/micro/lock-args/lines.ts'
import * as grid from '../../lib/index.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const cwd = fileURLToPath(new URL('../..', import.meta.url))
const tiny = [
  '--generations',
  '1',
  '--rounds',
  '2',
  '--ms',
  '1',
  '--warmup',
  '1',
  '--processes',
  'one',
  '--library',
  'lib'
]
const [args] = measuredArgs as [LockArgs]

function main(options: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const command = [...sourceArgs, 'benchmarks/lockargs.ts', ...options]
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd, env: childEnvironment() }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    })
  })
}

describe('benchmarks: the arguments of a lock', () => {
  it('are measured in every form, and in whole round trips', async () => {
    const { code, stdout, stderr } = await main(tiny)
    assert.equal(code, 0, stderr)
    const cells = stdout.split('\n').map((line) => line.split('|').map((cell) => cell.trim()))
    for (const { name, writing } of forms) {
      const rows = cells.filter((row) => row[1] === name)
      assert.equal(rows.length, writing === undefined ? 1 : 2, `${name} in ${stdout}`)
      for (const [, , ...figures] of rows) assert.match(figures.slice(0, 7).join(' '), /^(\d[\d,.]*[ ()]*){9}$/)
    }
    for (const callers of ['1', '64']) {
      const [row = []] = cells.filter(([, first]) => first === callers)
      assert.match(row.slice(2).join(' '), /^(\d[\d,.]* ){6}us: \d.* % of the holder \d.* us: \d.* % $/)
    }
    assert.match(stdout, /^tuple, at least 5\.5 times as fast as readline: \d.* \d.*$/m)
    assert.match(stdout, /^tuple, faster than JSON\.parse of bytes: \d.* \d.*$/m)
    assert.match(stdout, /^tuple beside a readline that is shared, no aim: \d.* \d.*$/m)
    assert.doesNotMatch(stdout, /NaN|undefined|Infinity/)
  })

  it('come back as they went, or are not measured', async () => {
    for (const { prepareDecode, prepareEncode, sizeBytes } of forms) {
      await prepareDecode(grid)
      await prepareEncode(grid)
      assert.ok(sizeBytes(grid) > 100)
    }
    const codings: readonly Coding<string>[] = [
      { encode: JSON.stringify, decode: () => args },
      { encode: JSON.stringify, decode: (text) => ({ ...JSON.parse(text), quorum: 3 }) }
    ]
    for (const coding of codings) {
      const forgetful = form('forgetful', () => coding, '')
      await assert.rejects(forgetful.prepareDecode(grid), /forgetful/)
      await assert.rejects(forgetful.prepareEncode(grid), /forgetful/)
    }
  })

  it('cannot go as lines when they hold the end of one', () => {
    for (const end of ['\n', '\r', '\u2028', '\u2029']) {
      assert.throws(() => encodeText({ ...args, resources: ['a', `b${end}c`] }), /the end of a line/)
      assert.throws(() => encodeText({ ...args, owner: end }), /the end of a line/)
    }
  })

  it('list the options when one is wrong', async () => {
    const wrong = await main(['--round', '3'])
    assert.equal(wrong.code, 2)
    assert.match(
      wrong.stderr,
      /'--round'\noptions: --generations .*--rounds .*--ms .*--warmup .*--processes .*--library /
    )
    const two = await main(['--processes', 'two'])
    assert.equal(two.code, 2)
    assert.match(two.stderr, /--processes must be each or one, not two/)
  })
})

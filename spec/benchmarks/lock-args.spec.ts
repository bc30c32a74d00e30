/** The arguments of a lock as pieces of the micro-benchmarks: each form is measured, and only when all comes back as it went. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { libraryIn } from '../../benchmarks/harness/library.ts'
import { timeOf } from '../../benchmarks/harness/pieces/costs.ts'
import { type Coding, form, lockArgs, measuredArgs } from '../../benchmarks/micro/pieces/lock-args.ts'
import { encodeText } from '../../benchmarks/micro/pieces/lock-lines.ts'
import type { LockArgs } from '../../lib/extras/locks/definitions.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const folder = new URL('../../lib/', import.meta.url)
const library = libraryIn(folder)
const [args] = measuredArgs as [LockArgs]

function main(options: readonly string[]): Promise<{ code: unknown; stderr: string }> {
  const command = [...sourceArgs, 'benchmarks/micro/main.ts', ...options]
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd, env: childEnvironment() }, (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stderr })
    })
  })
}

describe('benchmarks: the arguments of a lock', () => {
  it('are measured by their names, in a process of its own', async () => {
    const module = new URL('../../benchmarks/micro/pieces/index.ts', import.meta.url)
    const ns = await timeOf({ library: folder, module, warmUpOperations: 1 }, 'lock-args-decode-tuple', 1)
    assert.ok(ns > 0, String(ns))
  })

  it('come back as they went in every form, or are not measured', async () => {
    assert.equal(lockArgs.length, 14)
    for (const { prepare } of lockArgs) await (await prepare(library))(2 * measuredArgs.length)
    const codings: readonly Coding<string>[] = [
      { encode: JSON.stringify, decode: () => args },
      { encode: JSON.stringify, decode: (text) => ({ ...JSON.parse(text), quorum: 3 }) }
    ]
    for (const coding of codings) {
      const forgetful = form('forgetful', () => coding, '', 'writing')
      assert.equal(forgetful.length, 2)
      for (const { prepare } of forgetful) await assert.rejects(async () => prepare(library), /forgetful/)
    }
  })

  it('differ in nothing that their size depends on', () => {
    assert.equal(new Set(measuredArgs.map((args) => JSON.stringify(args).length)).size, 1)
    assert.equal(new Set(measuredArgs.map(({ uid }) => uid)).size, measuredArgs.length)
  })

  it('cannot go as lines when they hold the end of one', () => {
    for (const end of ['\n', '\r', '\u2028', '\u2029']) {
      assert.throws(() => encodeText({ ...args, resources: ['a', `b${end}c`] }), /the end of a line/)
      assert.throws(() => encodeText({ ...args, owner: end }), /the end of a line/)
    }
  })

  it('are listed, and the options, when one is wrong', async () => {
    const [wrong, unknown] = await Promise.all([main(['--round', '3']), main(['--only', 'lock-argument'])])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /'--round'\noptions: --only .*--rounds .*--ms .*--against /)
    assert.equal(unknown.code, 2)
    assert.match(
      unknown.stderr,
      /there is no lock-argument; there are: .*lock-args-decode-tuple, lock-args-encode-tuple/
    )
  })
})

/** Which messages are written in one piece with their head: no more of them where the pool of Node is larger. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'

const program = `
Buffer.poolSize = Number(process.argv[1])
const { onePiece } = await import('./lib/conn/one-piece.ts')
const joins = (body) => onePiece(new Uint8Array(4), new Uint8Array(body)) !== undefined
console.log([1000, 1019, 1020, 4000, 4091, 4092, 10_000].filter(joins).join())`

describe('a head and a body in one piece', () => {
  for (const [pool, joined] of [
    [64, '1000,1019,1020,4000,4091'],
    [8, '1000,1019,1020,4000,4091'],
    [2, '1000,1019'],
    [0, '']
  ] as const) {
    it(`are less than 4 KiB, and less than half of a pool of ${pool} KiB`, () => {
      const args = [...sourceArgs, '--input-type=module', '-e', program, String(pool * 1024)]
      const printed = execFileSync(process.execPath, args, { cwd: root, env: childEnvironment(), encoding: 'utf8' })
      assert.equal(printed.trim(), joined)
    })
  }
})

/** The table of a lock server: who gets what, how it ends, and that wrong requests change nothing. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { maxResourceLength, maxResources } from '../../lib/extras/locks/check.ts'
import type { LockArgs, LockInfo, LockKind } from '../../lib/extras/locks/definitions.ts'
import { LockError, type LockErrorCode } from '../../lib/extras/locks/errors.ts'
import { LockTable, type LockTableOptions } from '../../lib/extras/locks/table.ts'

const ttlMs = 1000

/** A table that is open, with a clock of its own. */
function open(options: LockTableOptions = {}) {
  const clock = { ms: 0 }
  const table = new LockTable({ ttlMs, now: () => clock.ms, timeOfDay: () => 0, ...options })
  clock.ms += ttlMs
  return { table, clock }
}

function args(uid: string, resources: string[] = ['a'], owner = 'node-1'): LockArgs {
  return { uid, resources, owner, source: 'spec', quorum: null }
}

function codeOf(run: () => unknown): LockErrorCode {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof LockError, String(error))
    return error.code
  }
  assert.fail('it did not throw')
}

function told(table: LockTable): string[] {
  return [...table.list()].map(({ uid, kind, resources }) => `${uid} ${kind} ${resources}`)
}

describe('the lock table', () => {
  it('grants one writer, or any number of readers', () => {
    const attempts: [LockKind, LockKind, boolean][] = [
      ['write', 'write', false],
      ['write', 'read', false],
      ['read', 'write', false],
      ['read', 'read', true]
    ]
    for (const [first, second, granted] of attempts) {
      const { table } = open()
      assert.deepEqual(table.lock(first, args('1')), { granted: true, ttlMs, heldBy: null, token: 1 })
      const heldBy = granted ? null : 'node-1'
      assert.deepEqual(table.lock(second, args('2', ['a'], 'node-2')), { granted, ttlMs, heldBy, token: 1 })
    }
  })

  it('grants all resources or none', () => {
    const { table } = open()
    table.lock('write', args('1', ['b']))
    assert.equal(table.lock('write', args('2', ['a', 'b', 'c'])).granted, false)
    assert.equal(table.lock('write', args('3', ['a', 'c'])).granted, true)
    assert.equal(table.lock('read', args('4', ['a'])).granted, false)
    assert.deepEqual(told(table), ['1 write b', '3 write a,c'])
  })

  it('is free again when all readers are gone', () => {
    const { table } = open()
    table.lock('read', args('1'))
    table.lock('read', args('2'))
    table.unlock('read', args('1'))
    assert.equal(table.lock('write', args('3')).granted, false)
    table.unlock('read', args('2'))
    assert.equal(table.lock('write', args('3')).granted, true)
    assert.equal(table.size, 1)
  })

  it('grants the same request again, for its answer may have been lost', () => {
    const { table, clock } = open()
    table.lock('write', args('1'))
    clock.ms += ttlMs - 1
    assert.equal(table.lock('write', args('1')).granted, true)
    clock.ms += ttlMs - 1
    assert.equal(table.size, 1)
  })

  it('forgets what is not refreshed, so that a dead owner keeps nothing', () => {
    const { table, clock } = open()
    table.lock('write', args('dead', ['a']))
    table.lock('write', args('live', ['b']))
    clock.ms += ttlMs / 2
    table.refresh(args('live', ['b']))
    clock.ms += ttlMs / 2
    assert.deepEqual(told(table), ['live write b'])
    assert.equal(table.lock('write', args('next', ['a'])).granted, true)
  })

  it('grants nothing until all that it may have granted before a restart has ended', () => {
    const clock = { ms: 5 }
    const table = new LockTable({ ttlMs, now: () => clock.ms })
    assert.deepEqual(table.lock('read', args('1')), { granted: false, ttlMs, heldBy: null, token: 0 })
    clock.ms += ttlMs - 1
    assert.equal(table.lock('read', args('1')).granted, false)
    clock.ms += 1
    assert.equal(table.lock('read', args('1')).granted, true)
  })

  it('can wait longer, for grants of a time before that lasted longer', () => {
    const clock = { ms: 0 }
    const table = new LockTable({ ttlMs, quietMs: 3 * ttlMs, now: () => clock.ms })
    clock.ms += 3 * ttlMs - 1
    assert.equal(table.lock('read', args('1')).granted, false)
    clock.ms += 1
    assert.equal(table.lock('read', args('1')).granted, true)
    for (const wrong of [
      { ttlMs: 0 },
      { ttlMs: Infinity },
      { ttlMs: Number.NaN },
      { quietMs: -1 },
      { maxLocks: 0 },
      { maxBytes: 100 }
    ]) {
      assert.throws(() => new LockTable(wrong), RangeError)
    }
  })

  it('lists what it has, with who and where, and goes on when that changes meanwhile', () => {
    const { table, clock } = open()
    for (const uid of ['1', '2', '3']) table.lock('read', { ...args(uid), quorum: 2 })
    clock.ms += 100
    const listed: LockInfo[] = []
    for (const info of table.list()) {
      listed.push(info)
      // Both would be met again, or never end, in the list of a table that is walked as it is.
      table.refresh(args('1'))
      if (info.uid === '1') table.unlock('read', args('2'))
    }
    assert.deepEqual(
      listed.map(({ uid }) => uid),
      ['1', '3']
    )
    const about = { owner: 'node-1', source: 'spec', quorum: 2, kind: 'read', resources: ['a'] }
    assert.deepEqual(listed[0], { uid: '1', ...about, token: 1, heldMs: 100, expiresInMs: ttlMs - 100 })
  })

  it('takes locks by force, whoever has them', () => {
    const { table, clock } = open()
    table.lock('read', args('1', ['a', 'b']))
    table.lock('read', args('2', ['b']))
    table.lock('write', args('3', ['c']))
    assert.equal(table.forceUnlock(['a', 'b']), 2)
    assert.equal(table.forceUnlock(['a', 'b']), 0)
    assert.deepEqual(told(table), ['3 write c'])
    assert.equal(table.lock('write', args('4', ['a', 'b'])).granted, true)
    assert.equal(
      codeOf(() => table.refresh(args('1', ['a', 'b']))),
      'ERR_LOCK_NOT_HELD'
    )
    table.unlock('write', args('4', ['a', 'b']))
    const again = () => table.lock('read', args('2', ['b']))
    assert.equal(codeOf(again), 'ERR_LOCK_NOT_HELD', 'its owner does not get it back')
    clock.ms += ttlMs
    assert.equal(again().granted, true)
  })

  it('keeps no more locks than it may', () => {
    const { table, clock } = open({ maxLocks: 2 })
    table.lock('read', args('1'))
    table.lock('read', args('2'))
    assert.equal(
      codeOf(() => table.lock('read', args('3'))),
      'ERR_LOCK_TABLE_FULL'
    )
    assert.equal(table.lock('read', args('2')).granted, true)
    clock.ms += ttlMs
    assert.equal(table.lock('read', args('3')).granted, true)
  })
})

describe('a wrong request changes nothing, and its code says what is wrong:', () => {
  const many = Array.from({ length: maxResources + 1 }, (_, n) => `r${n}`)
  const wrong: [LockErrorCode, string, (table: LockTable) => unknown][] = [
    ['ERR_LOCK_NOT_HELD', 'unlock of what was never held', (table) => table.unlock('write', args('x'))],
    ['ERR_LOCK_NOT_HELD', 'refresh of what was never held', (table) => table.refresh(args('x'))],
    [
      'ERR_LOCK_NOT_HELD',
      'unlock of what is held for reading',
      (table) => table.unlock('write', args('r', ['b', 'c']))
    ],
    ['ERR_LOCK_NOT_HELD', 'runlock of what is held for writing', (table) => table.unlock('read', args('w'))],
    ['ERR_LOCK_OTHER_OWNER', 'unlock by another owner', (table) => table.unlock('write', args('w', ['a'], 'node-2'))],
    ['ERR_LOCK_OTHER_OWNER', 'refresh by another owner', (table) => table.refresh(args('w', ['a'], 'node-2'))],
    ['ERR_LOCK_OTHER_OWNER', 'lock with the id of another', (table) => table.lock('write', args('w', ['a'], 'node-2'))],
    ['ERR_LOCK_UID_TAKEN', 'lock with an id that stands for the other kind', (table) => table.lock('read', args('w'))],
    ['ERR_LOCK_RESOURCES', 'lock with an id of other resources', (table) => table.lock('write', args('w', ['z']))],
    ['ERR_LOCK_RESOURCES', 'unlock of a part', (table) => table.unlock('read', args('r', ['b']))],
    ['ERR_LOCK_RESOURCES', 'refresh of more', (table) => table.refresh(args('r', ['b', 'c', 'd']))],
    ['ERR_LOCK_RESOURCES', 'no resources', (table) => table.lock('write', args('x', []))],
    ['ERR_LOCK_RESOURCES', 'a resource twice', (table) => table.lock('write', args('x', ['y', 'z', 'y']))],
    ['ERR_LOCK_RESOURCES', 'too many resources', (table) => table.lock('write', args('x', many))],
    ['ERR_LOCK_RESOURCES', 'a resource without a name', (table) => table.lock('write', args('x', ['y', '']))],
    [
      'ERR_LOCK_RESOURCES',
      'a name that is too long',
      (table) => table.lock('write', args('x', ['y'.repeat(maxResourceLength + 1)]))
    ],
    ['ERR_LOCK_RESOURCES', 'nothing to take by force', (table) => table.forceUnlock([])],
    ['ERR_LOCK_RESOURCES', 'a text to take by force', (table) => table.forceUnlock('ab' as never)],
    ['ERR_LOCK_ARGUMENT', 'no id', (table) => table.lock('write', args(''))],
    ['ERR_LOCK_ARGUMENT', 'an id that is too long', (table) => table.lock('write', args('x'.repeat(257)))],
    ['ERR_LOCK_ARGUMENT', 'no owner', (table) => table.lock('write', args('x', ['y'], ''))]
  ]
  for (const [code, title, run] of wrong) {
    it(`${title} (${code})`, () => {
      const { table, clock } = open()
      table.lock('write', args('w'))
      table.lock('read', args('r', ['b', 'c']))
      clock.ms += 1
      const before = [...table.list()]
      assert.equal(
        codeOf(() => run(table)),
        code
      )
      assert.deepEqual([...table.list()], before)
      assert.equal(table.lock('read', args('x', ['a'])).granted, false)
      assert.equal(table.lock('read', args('x', ['b', 'c', 'y'])).granted, true)
      assert.equal(table.size, 3)
    })
  }

  it('refresh and unlock of what has ended (ERR_LOCK_NOT_HELD)', () => {
    const { table, clock } = open()
    table.lock('write', args('w'))
    clock.ms += ttlMs
    assert.equal(
      codeOf(() => table.refresh(args('w'))),
      'ERR_LOCK_NOT_HELD'
    )
    assert.equal(
      codeOf(() => table.unlock('write', args('w'))),
      'ERR_LOCK_NOT_HELD'
    )
    assert.equal(table.size, 0)
  })
})

/**
 * What bounds memory, by docs/flow-control.md: a hostile peer fills everything there is, over real WebSockets, and the victim, a
 * process of its own, holds no more than the formula of the page allows.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { slackBytes, smallLimits, type Worst, worstOf, worstTable } from '../support/memory/bound.ts'
import { pageBound, pageFormulas } from '../support/memory/formula.ts'
import { Attackers, type ShapeName, shapeNames, startVictim, type Victim } from '../support/memory/processes.ts'

const facts: Readonly<Record<ShapeName, string>> = {
  payloads: 'handlers hold the largest payloads and metadata',
  windows: 'every window is full, and overdrawn',
  beyond: 'a peer goes far beyond its windows and its number of calls',
  padded: 'each payload keeps the batch alive that it came in',
  fragments: 'every message comes in thousands of fragments, and is never whole',
  crumbs: 'each message is a byte, in memory that it shared with others that are gone',
  unread: 'nothing of the answers is read',
  answers: 'the calls of this side are answered without an end',
  table: 'the handler table is full',
  slowly: 'the largest message comes byte by byte',
  floods: 'pings, refused opens and resets come as fast as they can',
  flapping: 'a conn is left full and replaced, again and again'
}

describe('the memory of a manager stays within the bound of the page', { timeout: 600_000 }, () => {
  const rows: Worst[] = []
  let victim: Victim
  let attackers: Attackers

  before(async () => {
    victim = await startVictim(smallLimits, 1)
    attackers = new Attackers()
  })

  after(async () => {
    await attackers.child.kill()
    await victim.child.kill()
    console.log(worstTable(rows))
  })

  for (const shape of shapeNames) {
    it(`when ${facts[shape]}`, async () => {
      const worst = await worstOf(shape, victim, attackers, smallLimits)
      rows.push(worst)
      assert.ok(worst.heldBytes <= worst.boundBytes, `${worst.heldBytes} bytes, above ${worst.boundBytes}`)
      const calls = worst.inboundCalls + worst.outboundCalls
      const isFull = calls >= smallLimits.maxInboundStreams - 10
      const isAboutCalls = !['table', 'slowly', 'floods', 'flapping'].includes(shape)
      if (isAboutCalls) assert.ok(isFull, `an attack with ${calls} calls is none`)
    })
  }

  it('was really under attack: the windows were full', () => {
    const [windows] = rows.filter(({ shape }) => shape === 'windows')
    const { maxInboundStreams, maxMessageBytes } = smallLimits
    assert.ok(windows !== undefined)
    // A payload, a message, and a frame more.
    assert.ok(windows.heldBytes > 2.9 * maxInboundStreams * maxMessageBytes, `${windows.heldBytes} bytes`)
  })

  it('counts thousands of fragments by their bytes, not by their number', () => {
    const [fragments] = rows.filter(({ shape }) => shape === 'fragments')
    const { maxInboundStreams, maxFragments } = smallLimits
    assert.ok(fragments !== undefined)
    const allowed = maxInboundStreams * (2 * maxFragments + 16 * 1024) + slackBytes
    assert.ok(fragments.heldBytes <= allowed, `${fragments.heldBytes} bytes, above ${allowed}`)
  })
})

describe('the formula of docs/flow-control.md', () => {
  const names = ['peer', 'receiving', 'sending', 'call', 'half', 'fixed']

  it('has every part that the bound is made of, and a number for each word', () => {
    assert.deepEqual([...pageFormulas().keys()], names)
    const one = { capacity: 1, 'inbound calls': 1, 'inbound streams': 1, 'outbound streams': 1, 'outbound requests': 1 }
    const numbers = { ...smallLimits, ...one, 'open calls': 1, 'largest message': 1 }
    for (const name of names) assert.ok(pageBound(name, numbers) > 0)
    assert.throws(() => pageBound('peer', { ...smallLimits }), /does not say what "inbound calls" is/)
  })
})

/** Refusals are told once per remote and reason, however often a peer tries, and all are counted. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HandshakeError, RejectedError } from '../../lib/errors/errors.ts'
import { silentLogger } from '../../lib/errors/logger.ts'
import { RefusalLog } from '../../lib/peer/refusal-log.ts'

function bench() {
  const lines: string[] = []
  const log = new RefusalLog({ ...silentLogger, warn: (line) => lines.push(line) })
  return { lines, log }
}

const unknown = (host: string) => new RejectedError('unknownHost', `refused ${host}: not among the hosts`)
const failed = (address: string) => new HandshakeError(`the handshake with a dialer at ${address} failed: wrong secret`)

describe('RefusalLog', () => {
  it('tells a refusal with address and reason', () => {
    const { lines, log } = bench()
    log.add(unknown('https://a'), '10.0.0.7:41234')
    assert.deepEqual(lines, ['refused a conn from 10.0.0.7:41234: refused https://a: not among the hosts'])
  })

  it('tells each remote and reason once, though the port is new with each try', () => {
    const { lines, log } = bench()
    for (let port = 1; port <= 500; port++) {
      log.add(unknown('https://a'), `10.0.0.7:${port}`)
      log.add(failed(`10.0.0.7:${port}`), `10.0.0.7:${port}`)
      log.add(failed(`[::1]:${port}`), `[::1]:${port}`)
    }
    assert.equal(lines.length, 3)
    assert.equal(log.count, 1500)
  })

  it('tells another remote, and another reason of the same one', () => {
    const { lines, log } = bench()
    log.add(unknown('https://a'), '10.0.0.7:1')
    log.add(unknown('https://b'), '10.0.0.7:2')
    log.add(new RejectedError('wrongDirection', 'refused https://a: it is dialed'), '10.0.0.7:3')
    log.add(failed('10.0.0.7:4'), '10.0.0.7:4')
    log.add(failed('10.0.0.8:4'), '10.0.0.8:4')
    assert.equal(lines.length, 5)
  })

  it('remembers a thousand, and forgets the oldest first', () => {
    const { lines, log } = bench()
    for (let host = 0; host < 1000; host++) log.add(unknown(`https://h${host}`), 'x')
    log.add(unknown('https://h0'), 'x')
    assert.equal(lines.length, 1000)
    log.add(unknown('https://new'), 'x')
    log.add(unknown('https://h1'), 'x')
    assert.equal(lines.length, 1001)
    log.add(unknown('https://h0'), 'x')
    assert.equal(lines.length, 1002)
  })

  it('survives whatever was thrown', () => {
    const { lines, log } = bench()
    for (const thrown of [undefined, null, 'text', Object.create(null)]) log.add(thrown, 'x')
    assert.equal(lines.length, 4)
  })
})

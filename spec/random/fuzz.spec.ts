/**
 * 100,000 random and damaged inputs: frames against a live session, bytes against MessagePack, handshake messages.
 *
 * `spec/long/fuzz.ts` does the same with as many as one likes; a failure prints the inputs, and how to see it again.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type FuzzReport, fuzz } from '../support/fuzz/fuzz.ts'
import { type FuzzerName, fuzzers, shares } from '../support/fuzz/fuzzers.ts'
import { seed } from '../support/random.ts'
import '../support/uncovered.ts'

const inputs = 100_000
/** The heap of the last tenth may differ from that of the first by what compiled code and caches take. */
const slackBytes = 4 * 1024 * 1024

describe(`fuzzed with SEED=${seed}`, () => {
  async function run(name: FuzzerName): Promise<FuzzReport> {
    const report = await fuzz({ name, fuzzer: fuzzers[name], inputs: inputs * shares[name], seed })
    assert.equal(report.inputs, inputs * shares[name])
    const grown = report.heldLate - report.heldEarly
    assert.ok(grown < slackBytes, `the heap has grown by ${grown} bytes`)
    return report
  }

  function assertSeen(report: FuzzReport, ...patterns: RegExp[]): void {
    for (const pattern of patterns) {
      const seen = [...report.outcomes].filter(([outcome]) => pattern.test(outcome))
      assert.ok(seen.length > 0, `no input had the outcome ${pattern}`)
    }
  }

  it('a session goes on, resets a stream or names the rule that was broken, whatever frames arrive', async () => {
    const report = await run('frames')
    assertSeen(
      report,
      /^accepted/,
      /^ignored/,
      /^reset, flowControl/,
      /^reset, streamProtocol/,
      /^reset, messageTooLarge/
    )
    assertSeen(report, /^closed, protocol/, /^closed, checksum/, /^closed, flood/)
  })

  it('bytes are read as plain data or refused, and change nothing else, where MessagePack is expected', async () => {
    const report = await run('msgpack')
    assertSeen(report, /^read/, /nested deeper/, /truncated/, /trailing/, /__proto__/, /not a string/, /extension/)
  })

  it('a handshake ends with an error that says why, whatever the messages are', async () => {
    const report = await run('hello')
    assertSeen(report, /^read/, /HELLO/, /CHALLENGE/, /PROOF/, /ACCEPT/, /REJECT/, /^whole handshake: dialer rejected/)
  })
})

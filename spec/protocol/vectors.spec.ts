/** Every example of docs/protocol.md, checked in both directions by lib/ and by the naive codec. */

import assert from 'node:assert/strict'
import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Duplex, PassThrough, Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { decodeRemoteError } from '../../lib/codec/remote-error.ts'
import { duplexConn } from '../../lib/conn/duplex.ts'
import { sharedSecret } from '../../lib/peer/auth.ts'
import * as hello from '../../lib/peer/hello.ts'
import { canonicalHost, dialerOf } from '../../lib/peer/hosts.ts'
import { Flag, type Frame, FrameType } from '../../lib/wire/frame.ts'
import { fastBatch, fastDecode } from '../support/codec/fast.ts'
import { naiveBatch, naiveDecode, naiveEncode, naiveVarint } from '../support/codec/naive.ts'
import { type Example, example, examples, page, varintExamples } from '../support/pages/protocol.ts'

type FrameName = keyof typeof FrameType

/** Bytes in hex, flags by name: the JSON of an example as the frame that it means. */
function frameOf(meaning: Record<string, unknown>): Frame {
  const type = FrameType[meaning.type as FrameName]
  const flags = (meaning.flags as (keyof typeof Flag)[]).reduce((sum, name) => sum | Flag[name], 0)
  const bytes = (name: string) => new Uint8Array(Buffer.from(meaning[name] as string, 'hex'))
  const frame: Record<string, unknown> = { ...meaning, type, flags }
  if ('payload' in meaning) frame.payload = bytes('payload')
  if (type === FrameType.goAway) frame.graceMs = meaning.graceMs
  if ('metadata' in meaning) frame.metadata = meaning.metadata === null ? undefined : bytes('metadata')
  return frame as Frame
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const frameExamples = examples.filter(({ name }) => name in FrameType)
const batchExamples = examples.filter(({ name }) => name === 'batch')

describe('the frames of docs/protocol.md', () => {
  it('there is an example of every frame type, under a heading of its own', () => {
    for (const name of Object.keys(FrameType)) {
      assert.ok(
        frameExamples.some((candidate) => candidate.name === name),
        `no example of ${name}`
      )
      assert.ok(page.headings().includes(name.toUpperCase()), `no heading ${name.toUpperCase()}`)
    }
  })

  it('there is an example of every flag', () => {
    const flags = frameExamples.flatMap(({ meaning }) => meaning.flags as string[])
    for (const name of Object.keys(Flag)) assert.ok(flags.includes(name), `no example with ${name}`)
  })

  for (const { name, bytes, meaning, line } of frameExamples) {
    it(`the ${name} of line ${line} is what it says, in both directions`, () => {
      const frame = frameOf(meaning)
      assert.equal(meaning.type, name)
      assert.deepEqual(fastDecode(bytes), [frame])
      assert.deepEqual(naiveDecode(bytes), [frame])
      assert.equal(hexOf(fastBatch([frame], false)), hexOf(bytes))
      assert.equal(hexOf(naiveEncode(frame)), hexOf(bytes))
    })
  }

  for (const { bytes, meaning, line } of batchExamples) {
    it(`the batch of line ${line} holds the frames that it says, in both directions`, () => {
      const checksum = meaning.checksum === true
      const frames = fastDecode(bytes, checksum)
      assert.deepEqual(naiveDecode(bytes, checksum), frames)
      assert.deepEqual(
        frames.map(({ type }) => type),
        (meaning.frames as FrameName[]).map((name) => FrameType[name])
      )
      assert.equal(hexOf(fastBatch(frames, checksum)), hexOf(bytes))
      assert.equal(hexOf(naiveBatch(frames, checksum)), hexOf(bytes))
    })
  }

  it('the stream of bytes holds the messages that it says, in both directions', async () => {
    const { bytes, meaning } = example('bytes')
    const messages = meaning.messages as string[]
    const [inbound, outbound] = [new PassThrough(), new PassThrough()]
    const conn = duplexConn(Duplex.from({ readable: inbound, writable: outbound }))
    await conn.sink(Readable.from(messages.map((hex) => Buffer.from(hex, 'hex'))))
    inbound.write(bytes)
    const arrived: string[] = []
    for await (const message of conn.source) arrived.push(hexOf(message))
    // It has ended, and so this end has said goodbye as well.
    assert.deepEqual([arrived, meaning.goodbye], [messages, true])
    assert.equal(hexOf(Buffer.concat(await outbound.toArray())), hexOf(bytes))
  })

  it('there is a batch with a checksum', () => {
    assert.ok(batchExamples.some(({ meaning }) => meaning.checksum === true))
  })

  it('varints are what they say, in both directions', () => {
    const found = varintExamples()
    assert.ok(found.length >= 9)
    for (const { value, bytes } of found) {
      assert.ok(Number.isSafeInteger(value))
      assert.deepEqual(naiveVarint(value), [...bytes])
      const ping = { type: FrameType.ping, flags: 0, token: value } as const
      const batch = Uint8Array.from([FrameType.ping, ...bytes])
      assert.deepEqual(fastDecode(batch), [ping])
      assert.equal(hexOf(fastBatch([ping], false)), hexOf(batch))
    }
  })

  it('the error of the example is read as it says', () => {
    const found = frameExamples.find(({ meaning }) => (meaning.flags as string[]).includes('error')) as Example
    const error = decodeRemoteError(Buffer.from(found.meaning.payload as string, 'hex'))
    assert.deepEqual(
      { ...error, message: error.message },
      {
        name: 'RemoteError',
        message: 'locked',
        code: 'E_LOCKED',
        delivery: 'ran',
        remoteName: 'LockError',
        details: { holder: 'node-3' }
      }
    )
  })
})

describe('the handshake of docs/protocol.md', () => {
  const fields = (found: Example) =>
    JSON.parse(JSON.stringify(found.meaning), (key, value) =>
      ['nonce', 'instance', 'proof'].includes(key) ? new Uint8Array(Buffer.from(value, 'hex')) : value
    )
  const transcript = example('transcript').bytes

  const readers = {
    hello: hello.readHello,
    challenge: hello.readChallenge,
    proof: (message: Uint8Array) => ({ proof: hello.readProof(message) }),
    accept: hello.readAccept,
    reject: hello.readReject
  }

  for (const name of Object.keys(readers) as (keyof typeof readers)[]) {
    it(`the examples of ${name.toUpperCase()} are what they say, in both directions`, () => {
      const found = examples.filter((candidate) => candidate.name === name)
      assert.ok(found.length > 0)
      for (const candidate of found) {
        const expected = fields(candidate)
        assert.deepEqual({ proof: undefined, ...readers[name](candidate.bytes) }, { proof: undefined, ...expected })
        assert.equal(hexOf(hello.encodeHello(hello.helloKinds[name], expected)), hexOf(candidate.bytes))
      }
    })
  }

  it('the transcript is SHA-256 over HELLO and CHALLENGE behind their lengths', () => {
    const [opening, challenge] = [example('hello').bytes, example('challenge').bytes]
    const length = (bytes: Uint8Array) => Uint8Array.of(bytes.length & 255, bytes.length >> 8, 0, 0)
    const digest = createHash('sha256')
    for (const bytes of [opening, challenge]) digest.update(length(bytes)).update(bytes)
    assert.equal(digest.digest('hex'), hexOf(transcript))
    assert.equal(hexOf(hello.hashTranscript(opening, challenge)), hexOf(transcript))
  })

  it('the key is HKDF-SHA256 of the secret', () => {
    const { bytes, meaning } = example('key')
    const derived = hkdfSync('sha256', meaning.secret as string, '', 'it-grid.v1 shared secret', 32)
    assert.equal(hexOf(new Uint8Array(derived)), hexOf(bytes))
  })

  it('the proofs are those of the key, the role and the transcript, and what sharedSecret makes', async () => {
    const key = example('key')
    const auth = sharedSecret(key.meaning.secret as string)
    const proofs = {
      dialer: example('proof').meaning.proof,
      listener: example('accept').meaning.proof
    }
    assert.equal(example('reject', 1).meaning.proof, proofs.listener)
    for (const prover of ['dialer', 'listener'] as const) {
      const text = Buffer.concat([Buffer.from(`it-grid.v1 ${prover}\0`), transcript])
      assert.equal(createHmac('sha256', key.bytes).update(text).digest('hex'), proofs[prover])
      const conn = {} as never
      const { signal } = new AbortController()
      const made = await auth.prove({ prover, local: '', remote: '', transcript, conn, signal })
      assert.equal(hexOf(made), proofs[prover])
    }
  })

  it('names its hosts so that the dialer of the examples is the one that dials', () => {
    const { host, remote } = example('hello').meaning
    assert.equal(dialerOf(host as string, remote as string), host)
  })
})

describe('the names of docs/protocol.md', () => {
  it('the canonical spellings are what canonicalHost makes', () => {
    const found = page.rows('Host names').slice(2)
    assert.ok(found.length >= 5)
    for (const [given = '', canonical] of found) assert.equal(canonicalHost(given), canonical)
  })

  it('the worked examples of who dials follow from the rule, and lib computes the same', () => {
    const found = page.rows('Which host dials').slice(2)
    assert.ok(found.length >= 3)
    for (const [lesser = '', greater = '', first = '', dialer] of found) {
      assert.ok(Buffer.compare(Buffer.from(lesser), Buffer.from(greater)) < 0)
      const digest = createHash('sha256').update(lesser).update(Uint8Array.of(0x0a)).update(greater).digest()
      assert.equal(digest[0], Number.parseInt(first, 16))
      assert.equal(dialer, Number.parseInt(first, 16) % 2 === 0 ? lesser : greater)
      assert.equal(dialerOf(lesser, greater), dialer)
      assert.equal(dialerOf(greater, lesser), dialer)
    }
  })

  it('every section that a comment in lib refers to exists', () => {
    const folder = new URL('../../lib/', import.meta.url)
    const isSource = (path: string) => path.endsWith('.ts')
    const references = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(isSource)
      .flatMap((file) => {
        const text = readFileSync(new URL(file, folder), 'utf8')
        return [...text.matchAll(/docs\/protocol\.md`?,\s+(?:\*\s+)?section\s+(?:\*\s+)?"([^"]+)"/g)].map((match) => ({
          file,
          title: match[1] as string
        }))
      })
    assert.ok(references.length >= 9)
    for (const { file, title } of references) assert.ok(page.headings().includes(title), `${file} refers to "${title}"`)
  })
})

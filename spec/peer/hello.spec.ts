/** The bytes of the handshake messages, and that each field is checked before it is used. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { defaultLimits } from '../../lib/errors/options.ts'
import { encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import * as hello from '../../lib/peer/hello.ts'
import { canonicalHost, serverName } from '../../lib/peer/hosts.ts'

const limits = hello.pickLimits(defaultLimits)
const challenge = {
  versions: [1],
  nonce: new Uint8Array(32).fill(1),
  instance: new Uint8Array(16).fill(2),
  checksum: true,
  limits
}
const opening = { ...challenge, host: 'https://a', remote: 'https://b:9000' }
const proof = new Uint8Array(32).fill(3)

const messages = [
  { name: 'HELLO', kind: 1, fields: opening, read: hello.readHello },
  { name: 'CHALLENGE', kind: 2, fields: challenge, read: hello.readChallenge },
  { name: 'PROOF', kind: 3, fields: { proof }, read: hello.readProof },
  { name: 'ACCEPT', kind: 4, fields: { version: 1, host: 'https://b', proof }, read: hello.readAccept },
  { name: 'REJECT', kind: 5, fields: { reason: 'busy', message: 'later', proof }, read: hello.readReject }
] as const

function encode(kind: number, fields: unknown): Uint8Array {
  return Uint8Array.from([kind, ...encodeMsgpack(fields)])
}

function bigEndian(bytes: number, value: number): Uint8Array {
  const field = Buffer.alloc(8)
  field.writeBigUInt64BE(BigInt(value))
  return field.subarray(8 - bytes)
}

/** How many names are parsed from now on, which is what one that is not known costs. */
function countParsed(test: TestContext): () => number {
  const { mock } = test.mock.method(globalThis, 'URL')
  return () => mock.callCount()
}

const notCanonical = 'is not a canonical origin of at most 512 bytes'
const notVersions = 'is not a list of 1 to 16 positive integers'
const wrongValues: Record<string, { values: unknown[]; text: string }> = {
  versions: { values: [null, 1, [], [0], [1.5], ['1'], [1, -1], Array(17).fill(1), { 0: 1 }], text: notVersions },
  nonce: { values: [null, 'x'.repeat(32), new Uint8Array(31), new Uint8Array(33)], text: 'is not 32 bytes' },
  instance: { values: [null, 7, new Uint8Array(), new Uint8Array(17)], text: 'is not 16 bytes' },
  checksum: { values: [null, 1, 'true'], text: 'is not a boolean' },
  limits: { values: [null, 1, [], new Date(0)], text: 'is not a map' },
  host: { values: [null, 1, '', 'a', 'HTTPS://A', 'https://a/', `https://${'a'.repeat(600)}`], text: notCanonical },
  remote: { values: [null, {}, 'https://b:443', 'https://u@b', 'ftp://b'], text: notCanonical },
  proof: { values: [null, 'p', [1], new Uint8Array(4097)], text: 'is not binary of at most 4096 bytes' },
  version: { values: [null, '1', 0, -1, 1.5, 2n ** 60n], text: 'is not a positive integer' },
  reason: { values: [null, 1, '', 'two words', 'x'.repeat(33), 'a\nb'], text: 'is not a word' },
  message: { values: [null, 1, ['text']], text: 'is not a string' }
}
/** Fields that may be absent. */
const wrongOptions = [
  { name: 'HELLO', field: 'renews', values: [null, 1, 'true'], text: 'renews is not a boolean' },
  { name: 'HELLO', field: 'knocks', values: [null, 1, 'true'], text: 'knocks is not a boolean' },
  ...(['HELLO', 'CHALLENGE'] as const).map((name) => ({
    ...{ name, field: 'understands', text: 'is not a list of at most 64 words' },
    values: [null, 'goAwayGrace', [1], [''], ['two words'], ['x'.repeat(33)], Array(65).fill('word'), { 0: 'word' }]
  })),
  { name: 'ACCEPT', field: 'lifetimeMs', values: [null, '1', -1, Number.NaN], text: 'is not a number of at least 0' }
] as const

describe('the messages of the handshake', () => {
  for (const { name, kind, fields, read } of messages) {
    it(`${name} is kind byte ${kind} and one msgpack map, and comes back as it was`, () => {
      const bytes = hello.encodeHello(kind, fields)
      assert.deepEqual(bytes, encode(kind, fields))
      assert.deepEqual(read(bytes), name === 'PROOF' ? proof : fields)
    })

    for (const { field, values, text } of wrongOptions.filter((wrong) => wrong.name === name)) {
      it(`${name} may leave ${field} out, but not give it a wrong value`, () => {
        for (const value of values) {
          assert.throws(
            () => read(encode(kind, { ...fields, [field]: value })),
            (error: Error) => error.message.includes(text)
          )
        }
      })
    }

    it(`${name} may have fields that this version does not know`, () => {
      assert.doesNotThrow(() => read(encode(kind, { ...fields, later: { more: [1] } })))
    })

    it(`${name} is refused with any field of a wrong type or range, or without it, by its name`, () => {
      for (const field of Object.keys(fields)) {
        const { values, text } = wrongValues[field] ?? { values: [], text: '' }
        assert.notEqual(values.length, 0, field)
        const absent = kind === 5 && field === 'proof' ? [] : [undefined]
        for (const value of [...values, ...absent]) {
          const expected = { name: 'HandshakeError', message: `malformed ${name}: ${field} ${text}` }
          assert.throws(() => read(encode(kind, { ...fields, [field]: value })), expected)
        }
      }
    })

    it(`${name} is refused as another kind, as something else than a map, and truncated at every byte`, () => {
      const wrongKind = { name: 'HandshakeError', message: /^expected [A-Z]+, received .+$/ }
      for (const other of [0, (kind % 5) + 1, 6, 255]) assert.throws(() => read(encode(other, fields)), wrongKind)
      assert.throws(() => read(new Uint8Array()), wrongKind)
      for (const value of [null, 1, [fields], new Date(0), new Uint8Array(4)]) {
        const message = `malformed ${name}: it is not a map`
        assert.throws(() => read(encode(kind, value)), { name: 'HandshakeError', message })
      }
      const bytes = encode(kind, fields)
      for (let length = 1; length < bytes.length; length++) {
        const expected = { name: 'HandshakeError', message: new RegExp(`^malformed ${name}: invalid msgpack: `) }
        assert.throws(() => read(bytes.subarray(0, length)), expected)
      }
    })
  }

  it('leave the names of the grid known, which cost nothing then, whatever names of guests they come with before any proof', (test) => {
    for (let n = 0; n < 1100; n++) {
      const host = `https://nobody-${n}.guest.invalid`
      assert.equal(hello.readHello(encode(1, { ...opening, host, guest: true })).host, host)
    }
    assert.equal(serverName('wss://named-in-a-list:9000'), 'https://named-in-a-list:9000')
    assert.equal(canonicalHost('https://named-in-a-call:9000'), 'https://named-in-a-call:9000')
    const parsed = countParsed(test)
    for (const host of ['https://named-in-a-list:9000', 'https://named-in-a-call:9000']) {
      assert.equal(canonicalHost(host), host)
      assert.equal(serverName(host), host)
      assert.equal(hello.readHello(encode(1, { ...opening, host, remote: host })).host, host)
    }
    assert.equal(parsed(), 0)
  })

  it('are read with one parse of each name that is not known', (test) => {
    const parsed = countParsed(test)
    hello.readHello(encode(1, { ...opening, host: 'https://unheard-of-1', remote: 'https://unheard-of-2' }))
    assert.equal(parsed(), 2)
  })

  it('refuse a limit that is not a number by its name, and take one that is a bigint for being checked after the proof', () => {
    for (const name of Object.keys(limits)) {
      for (const value of [undefined, null, '1', [1]]) {
        const expected = { name: 'HandshakeError', message: `malformed HELLO: limits.${name} is not a number` }
        assert.throws(() => hello.readHello(encode(1, { ...opening, limits: { ...limits, [name]: value } })), expected)
      }
      const read = hello.readHello(encode(1, { ...opening, limits: { ...limits, [name]: 2n ** 60n } }))
      assert.deepEqual(read.limits, { ...limits, [name]: 2 ** 60 })
      assert.equal(hello.findBadLimit(read.limits), name)
    }
  })

  it('read every format that an encoder of another language may choose, and the keys in any order', () => {
    const int = {
      shortest: (n: number) => Buffer.from(encodeMsgpack(n)),
      int64: (n: number) => Buffer.concat([Uint8Array.of(0xd3), bigEndian(8, n)]),
      uint64: (n: number) => Buffer.concat([Uint8Array.of(0xcf), bigEndian(8, n)]),
      uint32: (n: number) => Buffer.concat([Uint8Array.of(0xce), bigEndian(4, n)])
    }
    const text = {
      str8: (t: string) => Buffer.concat([Uint8Array.of(0xd9), bigEndian(1, t.length), Buffer.from(t)]),
      str16: (t: string) => Buffer.concat([Uint8Array.of(0xda), bigEndian(2, t.length), Buffer.from(t)]),
      str32: (t: string) => Buffer.concat([Uint8Array.of(0xdb), bigEndian(4, t.length), Buffer.from(t)])
    }
    const bin = {
      bin8: (b: Uint8Array) => Buffer.concat([Uint8Array.of(0xc4), bigEndian(1, b.length), b]),
      bin16: (b: Uint8Array) => Buffer.concat([Uint8Array.of(0xc5), bigEndian(2, b.length), b]),
      bin32: (b: Uint8Array) => Buffer.concat([Uint8Array.of(0xc6), bigEndian(4, b.length), b])
    }
    const float64 = (n: number) => {
      const bytes = Buffer.alloc(9, 0xcb)
      bytes.writeDoubleBE(n, 1)
      return bytes
    }
    const later = { ...opening, later: [{ deep: { er: null } }], understands: ['a'] }
    for (const writeInt of [...Object.values(int), float64]) {
      for (const writeText of Object.values(text)) {
        for (const writeBin of Object.values(bin)) {
          for (const size of [2, 4]) {
            const write = (value: unknown): Buffer => {
              if (typeof value === 'number') return writeInt(value)
              if (typeof value === 'string') return writeText(value)
              if (value instanceof Uint8Array) return writeBin(value)
              if (Array.isArray(value)) {
                return Buffer.concat([
                  Uint8Array.of(size === 2 ? 0xdc : 0xdd),
                  bigEndian(size, value.length),
                  ...value.map(write)
                ])
              }
              if (typeof value !== 'object' || value === null) return Buffer.from(encodeMsgpack(value))
              const entries = Object.entries(value).reverse()
              const items = entries.flat().map(write)
              return Buffer.concat([Uint8Array.of(size === 2 ? 0xde : 0xdf), bigEndian(size, entries.length), ...items])
            }
            const read = hello.readHello(Buffer.concat([Uint8Array.of(1), write(later)]))
            assert.deepEqual(read, { ...opening, understands: ['a'] })
            const accept = { version: 1, host: 'https://b', proof, lifetimeMs: 2 ** 31 }
            assert.deepEqual(hello.readAccept(Buffer.concat([Uint8Array.of(4), write(accept)])), accept)
          }
        }
      }
    }
    // Keys are strings: a key that is binary is malformed.
    const binary = Buffer.concat([Uint8Array.of(5, 0x81), bin.bin8(Buffer.from('reason')), Uint8Array.of(0xc0)])
    assert.throws(() => hello.readReject(binary), /malformed REJECT: invalid msgpack: a key that is not a string/)
  })

  it('keep the text of a REJECT to one line of 1024 characters', () => {
    const { message } = hello.readReject(encode(5, { reason: 'busy', message: `a\r\n\u001b${'b'.repeat(2000)}` }))
    assert.equal(message, `a   ${'b'.repeat(1020)}`)
  })
})

describe('findBadLimit', () => {
  it('names the first limit that is not a positive safe integer', () => {
    assert.equal(hello.findBadLimit(limits), undefined)
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.equal(hello.findBadLimit({ ...limits, maxHandlers: value }), 'maxHandlers')
    }
  })
})

describe('chooseVersion', () => {
  it('is the highest that both speak, and 0 without one', () => {
    assert.equal(hello.chooseVersion([3, 1, 2]), 1)
    assert.equal(hello.chooseVersion([2, 3]), 0)
  })
})

describe('hashTranscript', () => {
  it('is SHA-256 over both messages, each after its length as u32 LE', () => {
    const expected = createHash('sha256')
      .update(Buffer.from('02000000' + 'aabb' + '03000000' + 'ccddee', 'hex'))
      .digest()
    assert.deepEqual(
      Buffer.from(hello.hashTranscript(Buffer.from('aabb', 'hex'), Buffer.from('ccddee', 'hex'))),
      expected
    )
  })
})

/**
 * The fuzzers of what is MessagePack: values, metadata and error payloads, and the messages of the handshake.
 *
 * Bytes must either be read as plain data or be refused with the one error that the place has for it, whose text
 * quotes none of them.
 */

import assert from 'node:assert/strict'
import { decodeRemoteError, encodeRemoteError } from '../../../lib/codec/remote-error.ts'
import { CodecError, HandshakeError, RejectedError, RemoteError } from '../../../lib/errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../../../lib/msgpack/msgpack.ts'
import { maxMsgpackDepth } from '../../../lib/msgpack/plain.ts'
import { helloKinds, readAccept, readChallenge, readHello, readProof, readReject } from '../../../lib/peer/hello.ts'
import { CallContext } from '../../../lib/responder/context.ts'
import { examples } from '../pages/protocol.ts'
import { oneOf, wholeBelow } from '../random.ts'
import { exchange } from '../raw/handshake.ts'
import type { Fuzzer, Round } from './fuzz.ts'
import { mutateBytes, randomBytes } from './mutate.ts'

type Random = () => number

const remote = {
  host: 'http://fuzz',
  role: 'host',
  instance: '00',
  session: '00',
  identity: {},
  address: 'fuzz'
} as const
const draining = new AbortController().signal
const entry = { kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'fuzz' }
/** What the library says of bad bytes; no byte of them is in it. */
const refusal =
  /^invalid msgpack: (truncated|trailing bytes|nested deeper than 64|the reserved byte 0xc1|an extension that is not a timestamp|a timestamp with a second of nanoseconds or more|a key that is not a string|a key named __proto__) at byte \d+$/

export const msgpackFuzzer: Fuzzer = async (round) => {
  const { random } = round
  for (let i = 0; i < round.budget; i++) {
    round.begin()
    const bytes = valueBytes(random)
    const copy = Buffer.from(bytes)
    round.input(copy)
    round.outcome(decode(bytes, random() < 0.2))
    if (random() < 0.2) asRemoteError(bytes)
    if (random() < 0.2) asMetadata(bytes)
    assert.ok(copy.equals(bytes), 'the bytes were changed')
  }
}

function decode(bytes: Uint8Array, again: boolean): string {
  let value: unknown
  try {
    value = decodeMsgpack(bytes)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    assert.match(error.message, refusal)
    return `refused: ${error.message.replace(/^invalid msgpack: | at byte.*/g, '')}`
  }
  checkPlain(value, bytes.buffer, 0)
  if (again) checkAgain(value)
  return 'read'
}

/** What was read can be written, and is the same when it is read again. */
function checkAgain(value: unknown): void {
  let written: Uint8Array
  try {
    written = encodeMsgpack(value)
  } catch (error) {
    // A timestamp may be further away than a Date can tell.
    if (!(error instanceof CodecError && error.message.endsWith('an invalid Date'))) throw error
    return
  }
  assert.deepEqual(encodeMsgpack(decodeMsgpack(written)), written)
}

function checkPlain(value: unknown, memory: ArrayBufferLike, depth: number): void {
  if (typeof value !== 'object' || value === null || value instanceof Date) return
  assert.ok(depth < maxMsgpackDepth, 'deeper than allowed')
  if (value instanceof Uint8Array) {
    assert.notEqual(value.buffer, memory, 'binary that was not copied')
  } else if (Array.isArray(value)) {
    for (const item of value) checkPlain(item, memory, depth + 1)
  } else {
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
    for (const item of Object.values(value)) checkPlain(item, memory, depth + 1)
  }
}

function asRemoteError(bytes: Uint8Array): void {
  const error = decodeRemoteError(bytes)
  assert.ok(error instanceof RemoteError)
  assert.ok(typeof error.message === 'string' && error.message.length <= 4097)
  assert.ok(typeof error.code === 'string' && error.code.length <= 128)
  assert.ok(typeof error.remoteName === 'string' && error.remoteName.length <= 128)
}

function asMetadata(bytes: Uint8Array): void {
  try {
    const { metadata } = new CallContext({ remote, draining }, entry, { deadlineMs: 0 }, bytes)
    assert.equal(Object.getPrototypeOf(metadata), Object.prototype)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
  }
}

/** A value as bytes, most of them changed; or anything. */
function valueBytes(random: Random): Uint8Array {
  const kind = random()
  if (kind < 0.1) return randomBytes(random, wholeBelow(random, 64))
  // Nothing but heads of containers, as deep as they come.
  if (kind < 0.12) return Buffer.alloc(wholeBelow(random, 5000), oneOf(random, [0x91, 0x81, 0xdc, 0xdd, 0xdf, 0xc7]))
  if (kind > 0.98) {
    const nearly = encodeMsgpack([{ [nearlyProto]: randomValue(random, 1) }])
    return Buffer.from(Buffer.from(nearly).toString('latin1').replaceAll(nearlyProto, '__proto__'), 'latin1')
  }
  const value = kind < 0.2 ? new RangeError('it failed') : randomValue(random, wholeBelow(random, 6))
  const bytes =
    kind < 0.2 ? encodeRemoteError(Object.assign(value as Error, { details: [1, 2] })) : encodeMsgpack(value)
  return kind < 0.35 ? bytes : mutateBytes(random, bytes, bytes)
}

/** No encoder writes the name that it becomes. */
const nearlyProto = '__prot0__'
const words = [...' a name message code details __proto constructor toJSON then'.split(' '), 'x'.repeat(300)]

function randomValue(random: Random, depth: number): unknown {
  const kind = wholeBelow(random, depth === 0 ? 9 : 14)
  switch (kind) {
    case 0:
      return null
    case 1:
      return random() < 0.5
    case 2:
      return oneOf(random, [0, 1, -1, 127, 128, -33, 65_536, 2 ** 31, 2 ** 32, -(2 ** 40), Number.MAX_SAFE_INTEGER])
    case 3:
      return random() * 1e9
    case 4:
      return oneOf(random, [2n ** 63n, -(2n ** 63n), 2n ** 53n, 5n])
    case 5:
    case 6:
      return oneOf(random, words)
    case 7:
      return Buffer.from(randomBytes(random, wholeBelow(random, 40)))
    case 8:
      return new Date(oneOf(random, [0, 1, 1.5e12, 4e12, 1e13, -5e11]))
    default: {
      const items = Array.from({ length: wholeBelow(random, 6) }, () => randomValue(random, depth - 1))
      return kind < 11 ? items : Object.fromEntries(items.map((item) => [oneOf(random, words), item]))
    }
  }
}

/** What the fuzzer of the handshake starts from: the messages of the page. */
const messages = examples.filter(({ name }) => name in helloKinds).map(({ bytes }) => bytes)

export const helloFuzzer: Fuzzer = async (round) => {
  const { random } = round
  for (let i = 0; i < round.budget; i++) {
    round.begin()
    // A whole handshake takes a millisecond.
    if (random() < 0.01) await tamperedHandshake(round)
    else await readChanged(round, oneOf(random, messages))
  }
}

const readers = [readHello, readChallenge, readProof, readAccept, readReject]

async function readChanged(round: Round, message: Uint8Array): Promise<void> {
  const { random } = round
  const bytes = changedMessage(random, message)
  round.input(bytes)
  const read = random() < 0.95 ? readers[(bytes[0] ?? 0) - 1] : oneOf(random, readers)
  try {
    ;(read ?? readHello)(bytes)
    round.outcome('read')
  } catch (error) {
    round.outcome(`refused: ${checked(error)}`)
  }
}

/** Both ends settle, and neither believes the other one if what the proofs cover was changed on the way. */
async function tamperedHandshake(round: Round): Promise<void> {
  const { random } = round
  const [side, index] = [oneOf(random, ['dialer', 'listener'] as const), wholeBelow(random, 2)]
  let isCovered = false
  const { dialed, listened } = await exchange({
    tamper(from, count, message) {
      if (from !== side || count !== index) return message
      const changed = changedMessage(random, message)
      isCovered = index === 0 && !Buffer.from(message).equals(changed)
      round.input(changed)
      return changed
    }
  })
  for (const outcome of [dialed, listened]) if (outcome.status === 'rejected') checked(outcome.reason)
  if (isCovered) assert.deepEqual([dialed.status, listened.status], ['rejected', 'rejected'])
  round.outcome(`whole handshake: dialer ${dialed.status}, listener ${listened.status}`)
}

function checked(error: unknown): string {
  if (!(error instanceof HandshakeError || error instanceof RejectedError)) throw error
  return error.message.replace(/ at byte \d+$/, '').replace(/0x\w+|\d+/g, 'N')
}

/** The bytes of it changed, or a field of it. */
function changedMessage(random: Random, message: Uint8Array): Uint8Array {
  if (random() < 0.5) return mutateBytes(random, message, message)
  const fields = decodeMsgpack(message.subarray(1)) as Record<string, unknown>
  const name = oneOf(random, Object.keys(fields))
  const { limits } = fields
  if (name === 'limits' && typeof limits === 'object' && limits !== null && random() < 0.8) {
    Object.assign(limits, { [oneOf(random, Object.keys(limits))]: randomValue(random, 1) })
  } else if (random() < 0.2) {
    delete fields[name]
  } else {
    fields[random() < 0.9 ? name : oneOf(random, words)] = randomValue(random, 3)
  }
  return Buffer.concat([message.subarray(0, 1), encodeMsgpack(fields)])
}

/**
 * The five messages of the handshake as bytes: one byte for the kind, then one msgpack map.
 *
 * The type and range of each field is checked here. Unknown fields are ignored, so that later versions may add some. The
 * order and the meaning of the messages is in `handshake.ts`.
 */

import { createHash } from 'node:crypto'
import { isBytes } from '../base/bytes.ts'
import { limitNames, type RemoteLimits } from '../base/remote.ts'
import { errorText, printable } from '../base/text.ts'
import { HandshakeError, type RejectReason } from '../errors/errors.ts'
import { maxLimit } from '../errors/options.ts'
import { decodeMsgpack, encodeMsgpack } from '../msgpack/msgpack.ts'
import { maxHostBytes, readCanonical, readGuest } from './hosts.ts'

/** Byte 0 of each message. docs/protocol.md, section "Handshake". */
export const helloKinds = { hello: 1, challenge: 2, proof: 3, accept: 4, reject: 5 } as const
export type HelloKind = (typeof helloKinds)[keyof typeof helloKinds]
const kindNames = ['', 'HELLO', 'CHALLENGE', 'PROOF', 'ACCEPT', 'REJECT']

/** The protocol versions that this side speaks. */
export const supportedVersions: readonly number[] = [1]
/** What this side understands beyond the first form of the version, a word each; nothing of it is sent to a peer that does not. */
export const understood: readonly string[] = ['goAwayGrace', 'handlerChanges', 'fingerprints']
/** The reasons that a REJECT may have. */
export const handshakeReasons: readonly RejectReason[] = [
  'authFailed',
  'unknownHost',
  'wrongHost',
  'wrongDirection',
  'ownName',
  'unsupportedVersion',
  'badLimits',
  'busy',
  'goingAway',
  'noGuests',
  'guestRefused',
  'tooManyGuests'
]

export const nonceBytes = 32
export const instanceBytes = 16
/** Enough for a digest, a signature or a token. */
export const maxProofBytes = 4096
/** The message of a REJECT is one line of a log. */
export const maxRejectLength = 1024
const maxVersions = 16
const maxUnderstood = 64

/** CHALLENGE: the listener answers a HELLO with no more than the proofs need. */
export interface Challenge {
  /** The protocol versions it speaks. */
  versions: readonly number[]
  /** 32 random bytes, new for each handshake: no proof is valid twice. */
  nonce: Uint8Array
  /** 16 random bytes, new at each start of a server: they show a restart. */
  instance: Uint8Array
  /** Whether it wants a checksum with each batch. */
  checksum: boolean
  limits: RemoteLimits
  /** Words for what it knows beside the frames and flags that all peers know. */
  understands?: readonly string[]
}

/** HELLO: the dialer opens the handshake, with its own host name and the one that it dials. */
export interface Hello extends Challenge {
  host: string
  remote: string
  /** It has a session with us already, whose calls may end while the new one takes over. */
  renews?: boolean
  /** It is the one that is dialed, and tells only that it is there. */
  knocks?: boolean
  /** It is a guest, and its name that of one. */
  guest?: boolean
}

/** ACCEPT: the listener has verified the dialer, and proves its own identity. */
export interface Accept {
  version: number
  host: string
  proof: Uint8Array
  /** How long the identity of the dialer lasts, in ms; undefined when it does not expire. */
  lifetimeMs?: number
}

/** REJECT: the listener refuses. Without a proof the message has no details and cannot be trusted. */
export interface Reject {
  reason: string
  message: string
  proof?: Uint8Array
}

export function encodeHello(kind: HelloKind, fields: object): Uint8Array {
  const body = encodeMsgpack(fields)
  const message = new Uint8Array(1 + body.length)
  message[0] = kind
  message.set(body, 1)
  return message
}

/** The limits that are announced to the peer. */
export function pickLimits(limits: RemoteLimits): RemoteLimits {
  return Object.fromEntries(limitNames.map((name) => [name, limits[name]])) as RemoteLimits
}

/** The name of the first limit that is out of range, if there is one. */
export function findBadLimit(limits: RemoteLimits): string | undefined {
  return limitNames.find((name) => !(Number.isInteger(limits[name]) && limits[name] >= 1 && limits[name] <= maxLimit))
}

/** The highest version that both sides support, 0 when there is none. */
export function chooseVersion(theirs: readonly number[]): number {
  return Math.max(0, ...supportedVersions.filter((version) => theirs.includes(version)))
}

/** What the proofs cover: both complete messages with their kind bytes, so that nothing in them can be changed. */
export function hashTranscript(hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  const hash = createHash('sha256')
  for (const message of [hello, challenge]) {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(message.length)
    hash.update(length).update(message)
  }
  return new Uint8Array(hash.digest())
}

/** @throws {HandshakeError} like all readers here: names the field that is wrong, and quotes nothing of it */
export function readHello(message: Uint8Array): Hello {
  const fields = decodeFields(helloKinds.hello, message)
  const hello = { ...parseChallenge(fields), host: parseHost(fields, 'host'), remote: parseHost(fields, 'remote') }
  const { renews, knocks, guest } = fields.values
  if (guest === true && readGuest(hello.host) === undefined) throw malformed(fields, 'host is not the name of a guest')
  return {
    ...hello,
    ...parseFlag(fields, 'renews', renews),
    ...parseFlag(fields, 'knocks', knocks),
    ...parseFlag(fields, 'guest', guest)
  }
}

export function readChallenge(message: Uint8Array): Challenge {
  return parseChallenge(decodeFields(helloKinds.challenge, message))
}

export function readProof(message: Uint8Array): Uint8Array {
  return parseProof(decodeFields(helloKinds.proof, message))
}

export function readAccept(message: Uint8Array): Accept {
  const fields = decodeFields(helloKinds.accept, message)
  const version = fields.values.version
  if (!isVersion(version)) throw malformed(fields, 'version is not a positive integer')
  const accept = { version, host: parseHost(fields, 'host'), proof: parseProof(fields) }
  const lifetimeMs = toNumber(fields.values.lifetimeMs)
  if (lifetimeMs === undefined) return accept
  if (!(typeof lifetimeMs === 'number' && lifetimeMs >= 0)) {
    throw malformed(fields, 'lifetimeMs is not a number of at least 0')
  }
  return { ...accept, lifetimeMs }
}

export function readReject(message: Uint8Array): Reject {
  const fields = decodeFields(helloKinds.reject, message)
  const { reason, message: text } = fields.values
  if (!isWord(reason)) throw malformed(fields, 'reason is not a word')
  if (typeof text !== 'string') throw malformed(fields, 'message is not a string')
  // The message is logged as one line, whatever the peer sent.
  const line = printable(text, maxRejectLength)
  return { reason, message: line, proof: fields.values.proof === undefined ? undefined : parseProof(fields) }
}

interface Fields {
  kind: HelloKind
  values: Record<string, unknown>
}

function decodeFields(kind: HelloKind, message: Uint8Array): Fields {
  if (message[0] !== kind) {
    const got = message.length === 0 ? 'an empty message' : (kindNames[message[0] as number] ?? 'an unknown message')
    throw new HandshakeError(`expected ${kindNames[kind]}, received ${got || 'an unknown message'}`)
  }
  let values: unknown
  try {
    values = decodeMsgpack(message.subarray(1))
  } catch (error) {
    throw new HandshakeError(`malformed ${kindNames[kind]}: ${errorText(error)}`)
  }
  if (!isMap(values)) throw new HandshakeError(`malformed ${kindNames[kind]}: it is not a map`)
  return { kind, values }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function malformed(fields: Fields, what: string): HandshakeError {
  return new HandshakeError(`malformed ${kindNames[fields.kind]}: ${what}`)
}

function parseChallenge(fields: Fields): Challenge {
  const { versions, checksum } = fields.values
  if (!Array.isArray(versions) || versions.length < 1 || versions.length > maxVersions || !versions.every(isVersion)) {
    throw malformed(fields, `versions is not a list of 1 to ${maxVersions} positive integers`)
  }
  if (typeof checksum !== 'boolean') throw malformed(fields, 'checksum is not a boolean')
  const nonce = parseBytes(fields, 'nonce', nonceBytes)
  const instance = parseBytes(fields, 'instance', instanceBytes)
  const challenge = { versions, checksum, nonce, instance, limits: parseLimits(fields) }
  const { understands } = fields.values
  if (understands === undefined) return challenge
  if (!Array.isArray(understands) || understands.length > maxUnderstood || !understands.every(isWord)) {
    throw malformed(fields, `understands is not a list of at most ${maxUnderstood} words`)
  }
  const isOurs = understands.length === understood.length && understood.every((word, at) => word === understands[at])
  // Not a list of its own for each of many peers.
  return { ...challenge, understands: isOurs ? understood : understands }
}

function parseFlag<Name extends string>(fields: Fields, name: Name, value: unknown): { [name in Name]?: boolean } {
  if (value === undefined) return {}
  if (typeof value !== 'boolean') throw malformed(fields, `${name} is not a boolean`)
  return { [name]: value } as { [name in Name]?: boolean }
}

/** A word for programs. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z]{1,32}$/.test(value)
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
}

function parseBytes(fields: Fields, name: string, length: number): Uint8Array {
  const value = fields.values[name]
  if (!(isBytes(value) && value.length === length)) throw malformed(fields, `${name} is not ${length} bytes`)
  return value
}

function parseProof(fields: Fields): Uint8Array {
  const { proof } = fields.values
  if (!(isBytes(proof) && proof.length <= maxProofBytes)) {
    throw malformed(fields, `proof is not binary of at most ${maxProofBytes} bytes`)
  }
  return proof
}

/** Checks the types only: a limit out of range is refused after the proof, with the reason `badLimits`. */
function parseLimits(fields: Fields): RemoteLimits {
  const { limits } = fields.values
  if (!isMap(limits)) throw malformed(fields, 'limits is not a map')
  const read = limitNames.map((name) => {
    const value = toNumber(limits[name])
    if (typeof value !== 'number') throw malformed(fields, `limits.${name} is not a number`)
    return [name, value]
  })
  return Object.fromEntries(read) as RemoteLimits
}

/** Beyond 2^53 a number is decoded as a bigint; here it need not be exact. */
function toNumber(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

function parseHost(fields: Fields, name: string): string {
  const value = fields.values[name]
  // The string that others have, or one of its own: that of the message would keep all texts of it.
  const host = typeof value === 'string' && value.length <= maxHostBytes ? readCanonical(value) : undefined
  if (host === undefined) throw malformed(fields, `${name} is not a canonical origin of at most ${maxHostBytes} bytes`)
  return host
}

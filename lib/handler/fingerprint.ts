/**
 * The fingerprint of a definition: the same where both ends mean the same by its bytes, as far as their codecs say what they
 * are. It tells mistakes, such as a server that was deployed with another codec, and no attacks.
 */

import { createHash } from 'node:crypto'
import { readFingerprint } from '../codec/codec.ts'
import type { AnyDefinition } from './definition.ts'

/** Enough to tell the definitions of one name apart. */
const fingerprintBytes = 8

/** In hex; undefined where one of the codecs does not say what it is. */
export function fingerprintOf(definition: AnyDefinition): string | undefined {
  const { kind, request, response } = definition
  const codecs = kind === 'single' ? [request, response] : [definition.payload, request, response]
  const parts = codecs.map(readFingerprint)
  if (parts.includes(undefined)) return undefined
  const hash = createHash('sha256').update(JSON.stringify([kind, ...parts]))
  return hash.digest('hex').slice(0, 2 * fingerprintBytes)
}

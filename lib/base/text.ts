/** Makes texts safe to print and to send: removes control characters, cuts them to a length, reads them without a throw. */

import { Buffer } from 'node:buffer'

const noBytes = Buffer.alloc(0)

/** The first `maxLength` characters, with spaces for control characters: those could forge lines of a log. */
export function printable(text: string, maxLength = text.length): string {
  return text.slice(0, maxLength).replace(/\p{Cc}/gu, ' ')
}

/** The text in UTF-8, cut to `maxBytes` without splitting a character. */
export function encodeText(text: string, maxBytes: number): Buffer {
  if (text === '') return noBytes
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** The text of anything that was thrown, cut to `maxLength` characters. Never throws, whatever its getters do. */
export function errorText(thrown: unknown, maxLength = 1024): string {
  try {
    const hasMessage = typeof thrown === 'object' && thrown !== null && 'message' in thrown
    const text = String(hasMessage ? thrown.message : thrown)
    return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  } catch {
    return 'an error without a readable message'
  }
}

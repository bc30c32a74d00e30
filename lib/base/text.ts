/** Texts made safe to print and to send: without control characters, cut to a length, and read without a throw. */

import { Buffer } from 'node:buffer'

const noBytes = Buffer.alloc(0)

/** At most `maxLength` characters of a text, with spaces for control characters, which would forge lines of a log. */
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

/** The text of anything thrown, shortened to `maxLength` characters; never throws itself, whatever a getter does. */
export function errorText(thrown: unknown, maxLength = 1024): string {
  try {
    const hasMessage = typeof thrown === 'object' && thrown !== null && 'message' in thrown
    const text = String(hasMessage ? thrown.message : thrown)
    return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  } catch {
    return 'an error without a readable message'
  }
}

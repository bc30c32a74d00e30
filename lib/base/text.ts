/** Texts from elsewhere, made safe to print: without control characters, shortened, and read without a throw. */

/** A text of the remote end without the control characters that would forge lines of a log. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ')
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

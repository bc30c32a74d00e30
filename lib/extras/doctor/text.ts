/** Texts that servers have written, as one line for people: they may hold anything. */

const maxChars = 512

/** Without control characters, which a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/\p{C}+/gu, ' ').slice(0, maxChars)
}

/** What an error says. */
export function said(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error))
}

/** Texts for people: what a terminal would obey is escaped, numbers have units, names have a width. */

/** What changes how a terminal, or a reader, takes what follows: controls, marks of direction, separators of lines. */
const obeyed = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const obeyedInBlocks = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const escaped = (found: string) =>
  Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')

/** A text of a peer in one line, safe to print. Within JSON it stays JSON: only its strings can hold such characters. */
export function printable(text: string): string {
  return text.replace(obeyed, escaped)
}

/** The same for a text of several lines. */
export function printableBlock(text: string): string {
  return text.replace(obeyedInBlocks, escaped)
}

/** What an error says, as it says it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The same, safe to print. */
export function textOf(error: unknown): string {
  return printable(messageOf(error))
}

const wide =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u

/** Columns of a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const each of text) width += /\p{M}/u.test(each) ? 0 : wide.test(each) ? 2 : 1
  return width
}

/** Cut to so many columns, with a mark where something is missing. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let fitted = ''
  let left = width - 1
  for (const each of text) {
    left -= widthOf(each)
    if (left < 0) break
    fitted += each
  }
  return width < 1 ? '' : `${fitted}…`
}

export function ms(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value < 10) return `${value.toFixed(2)} ms`
  if (value < 1000) return `${value.toFixed(0)} ms`
  return age(value)
}

export function age(value: number): string {
  if (value < 10_000) return `${(Math.max(0, value) / 1000).toFixed(1)} s`
  if (value < 120_000) return `${Math.round(value / 1000)} s`
  if (value < 7_200_000) return `${Math.round(value / 60_000)} min`
  return value < 172_800_000 ? `${Math.round(value / 3_600_000)} h` : `${Math.round(value / 86_400_000)} d`
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [left, unit] = [value, 0]
  while (left >= 1024 && unit < units.length - 1) [left, unit] = [left / 1024, unit + 1]
  return `${unit === 0 ? Math.round(left) : left.toFixed(1)} ${units[unit]}`
}

/** So many a second. */
export function rate(value: number): string {
  return value === 0 ? '0' : value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

/** MB a second. */
export function megabytes(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? '0' : (bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e6 ? 3 : 1)
}

/** The one of `names` that was probably meant, if one is near: so many characters were inserted, removed, replaced or swapped. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.min(4, Math.ceil(name.length / 3) + 1)
  for (const each of names) {
    const edits = each.startsWith(name) && name.length > 2 ? 1 : countEdits(name.slice(0, 64), each)
    if (edits < least) [best, least] = [each, edits]
  }
  return best
}

function countEdits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** Numbers as the page writes them; what is not known is a dash, never a zero. */

export { age, ms, nameOf, nameOfKey, nextDial, percent, roughly, size } from '../words.ts'

export const unknown = '–'

/** Asked of the locale for each figure it would take longer than to draw it. */
const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function rate(value: number | undefined): string {
  if (value === undefined) return unknown
  if (value === 0) return '0'
  return value < 10 ? value.toFixed(1) : count(value)
}

export function count(value: number): string {
  return grouped.format(value).replace(/,/g, '\u2009')
}

export function orUnknown<T>(value: T | undefined, show: (value: T) => string): string {
  return value === undefined ? unknown : show(value)
}

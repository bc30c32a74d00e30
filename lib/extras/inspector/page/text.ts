/** Numbers as the page writes them; what is not known is a dash, never a zero. */

export { age, ms, nameOf, nameOfKey, percent, size } from '../words.ts'

export const unknown = '–'

export function rate(value: number | undefined): string {
  if (value === undefined) return unknown
  if (value === 0) return '0'
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en').replace(/,/g, '\u2009')
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en').replace(/,/g, '\u2009')
}

export function orUnknown<T>(value: T | undefined, show: (value: T) => string): string {
  return value === undefined ? unknown : show(value)
}

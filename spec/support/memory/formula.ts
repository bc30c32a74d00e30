/**
 * The bound of docs/flow-control.md, section "What bounds memory", worked out from the page itself.
 *
 * The formulas there are lines of `name = ...` and `+ ...`, with words for names, `x` for times, KiB, and whatever stands
 * behind three blanks as a comment.
 */

import { markdownFile } from '../pages/markdown.ts'

export type Numbers = Readonly<Record<string, number>>

/** The formulas of the page by name, as the page has them. */
export function pageFormulas(): Map<string, string> {
  const { text } = markdownFile('docs/flow-control.md')
  const block = /## What bounds memory\n[\s\S]*?```\n([\s\S]*?)```/.exec(text)?.[1]
  if (block === undefined) throw new Error('docs/flow-control.md has no formula of what bounds memory')
  const formulas = new Map<string, string>()
  let current = ''
  for (const line of block.split('\n')) {
    // Other lines go on with the comment of the one before.
    const [, name, plus = '', rest = ''] = /^(?:([a-z]+) +<?=| +(\+))(.*)$/.exec(line) ?? []
    // What is in columns has blanks before its `x`.
    const columns = rest.trim().replace(/ +x /g, ' x ')
    const terms = `${plus} ${columns.replace(/ {3,}.*$/, '')}`.trim()
    if (name !== undefined) current = name
    if (terms !== '') formulas.set(current, `${formulas.get(current) ?? ''} ${terms}`.trim())
  }
  return formulas
}

/** What the page bounds `name` by, with these numbers for its words. Throws where it has a word that has no number. */
export function pageBound(name: string, numbers: Numbers): number {
  const formulas = pageFormulas()
  const numberOf = (word: string): number => {
    const number = numbers[word]
    if (number !== undefined) return number
    const formula = formulas.get(word)
    if (formula === undefined) throw new Error(`docs/flow-control.md does not say what "${word}" is`)
    return evaluate(formula)
  }
  const evaluate = (formula: string): number => new Sum(formula, numberOf).value()
  return numberOf(name)
}

/** Sums of products of numbers, words, `max(a, b)` and `min(a, b)`. */
class Sum {
  readonly #tokens: string[]
  readonly #numberOf: (word: string) => number

  constructor(text: string, numberOf: (word: string) => number) {
    this.#tokens = text.match(/[()+,]|\bx\b|\d+|(?:(?!x\b)[A-Za-z]+)(?: (?!x\b)[a-z][A-Za-z]*)*/g) ?? []
    this.#numberOf = numberOf
  }

  value(): number {
    const value = this.#sum()
    if (this.#tokens.length > 0) throw new Error(`the formula goes on with "${this.#tokens.join(' ')}"`)
    return value
  }

  #sum(): number {
    let sum = this.#product()
    while (this.#take('+')) sum += this.#product()
    return sum
  }

  #product(): number {
    let product = this.#factor()
    while (this.#take('x')) product *= this.#factor()
    return product
  }

  #factor(): number {
    const token = this.#tokens.shift() ?? ''
    if (token === '(' || token === 'max' || token === 'min') {
      if (token !== '(') this.#take('(')
      const values = [this.#sum()]
      while (this.#take(',')) values.push(this.#sum())
      this.#take(')')
      return token === 'min' ? Math.min(...values) : Math.max(...values)
    }
    if (!/^\d/.test(token)) return this.#numberOf(token)
    return Number(token) * (this.#take('KiB') ? 1024 : 1)
  }

  #take(token: string): boolean {
    if (this.#tokens[0] !== token) return false
    this.#tokens.shift()
    return true
  }
}

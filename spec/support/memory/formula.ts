/**
 * The bound of docs/flow-control.md, section "What bounds memory", worked out from the page itself.
 *
 * The formulas there are lines of `name = ...` and `+ ...`, with words for names, `x` for times, KiB, and whatever stands
 * behind three blanks as a comment.
 */

import { runInNewContext } from 'node:vm'
import { MarkdownFile } from '../pages/markdown.ts'

export type Numbers = Readonly<Record<string, number>>

/** The formulas of the page by name, as the page has them. */
export function pageFormulas(): Map<string, string> {
  const { text } = new MarkdownFile('docs/flow-control.md')
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
    const formula = formulas.get(word)
    if (numbers[word] !== undefined) return numbers[word]
    if (formula === undefined) throw new Error(`docs/flow-control.md does not say what "${word}" is`)
    return evaluate(formula)
  }
  const evaluate = (formula: string): number => {
    const terms = formula.replace(/\bx\b/g, '*').replaceAll('KiB', '* 1024')
    const words = /(?!(?:max|min)\b)\b[A-Za-z]+(?: [a-z][A-Za-z]*)*/g
    return runInNewContext(
      terms.replace(words, (word) => `${numberOf(word)}`),
      { max: Math.max, min: Math.min }
    )
  }
  return numberOf(name)
}

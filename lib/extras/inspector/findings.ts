/** Answers that do not flicker: what is found is told at once, and it is gone once it was gone twice. */

import type { Answer } from './model.ts'

const ticksToGo = 2

export class Findings {
  readonly #last = new Map<string, { readonly answer: Answer; readonly missing: number }>()

  steady(answers: readonly Answer[]): Answer[] {
    return answers.map((answer) => {
      const last = this.#last.get(answer.id)
      const missing = last !== undefined && answer.severity === 'ok' ? last.missing + 1 : 0
      const isGone = last === undefined || answer.severity !== 'ok' || missing >= ticksToGo
      if (isGone && answer.severity === 'ok') this.#last.delete(answer.id)
      else this.#last.set(answer.id, { answer: isGone ? answer : (last?.answer ?? answer), missing })
      return isGone ? answer : (last?.answer ?? answer)
    })
  }
}

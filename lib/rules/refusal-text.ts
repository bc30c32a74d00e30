/** The texts of our own interceptors that refuse, for events: those of users may hold what nobody else is to read. */

import { errorText } from '../base/text.ts'

export const deniedText = 'a rule does not allow this call'

export function rateText(perSecond: number): string {
  return `more than ${perSecond} calls a second`
}

const own = new RegExp(`^(?:${deniedText}|more than [\\d.e+-]{1,32} calls a second)`)

/** Of the text of a refusal what is ours, whoever has written it; else ''. */
export function ownRefusalText(refusal: unknown): string {
  return own.exec(errorText(refusal))?.[0] ?? ''
}

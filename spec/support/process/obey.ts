/** The side of a process that a driver tells what to do: it answers each word, and ends with its driver. */

import { errorStack } from '../errors.ts'

/** What is done at each word, and answered; at `close` it leaves the driver when that is done. */
export type Words = Readonly<Record<string, (...args: never[]) => unknown>>

export interface Asked {
  readonly id: number
  readonly word: string
  readonly args: readonly unknown[]
}

export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** What it was started with. */
export function given<Init>(): Init {
  return JSON.parse(process.argv[2] ?? 'null')
}

/** Tells the driver something that it did not ask for. */
export function tell(report: unknown): void {
  process.send?.({ report })
}

export function obey(words: Words): void {
  let isClosing = false
  process.on('disconnect', () => {
    // The driver is gone.
    if (!isClosing) process.exit(1)
  })
  process.on('message', async ({ id, word, args }: Asked) => {
    isClosing ||= word === 'close'
    const answer = await answerTo(words[word] as (...args: unknown[]) => unknown, args)
    process.send?.({ id, ...answer }, () => {
      if (word === 'close') process.disconnect()
    })
  })
}

async function answerTo(fn: (...args: unknown[]) => unknown, args: readonly unknown[]): Promise<Omit<Answer, 'id'>> {
  try {
    return { value: await fn(...args) }
  } catch (error) {
    return { error: errorStack(error) }
  }
}

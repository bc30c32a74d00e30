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
  let isLeaving = false
  const onDisconnected = () => {
    // The driver is gone.
    if (!isLeaving) process.exit(1)
  }
  process.on('disconnect', onDisconnected)
  // On a busy machine it may have gone before this process came so far.
  if (!process.connected) onDisconnected()
  process.on('message', async ({ id, word, args }: Asked) => {
    const answer = await answerTo(words[word] as (...args: unknown[]) => unknown, args)
    process.send?.({ id, ...answer }, () => {
      if (word !== 'close') return
      isLeaving = true
      process.disconnect()
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

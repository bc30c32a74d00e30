/** What went wrong, in words; and what goes wrong that nobody waits for. */

export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Hears of what is not caught until it is disposed of. Stacks are short meanwhile: they are those of expected errors. */
export function watchStrays(onStray: (reason: unknown) => void, frames = 0): Disposable {
  const { stackTraceLimit } = Error
  // A tenth to a half of the time would go into them.
  Error.stackTraceLimit = Math.min(frames, stackTraceLimit)
  const events = ['unhandledRejection', 'uncaughtException']
  for (const event of events) process.on(event, onStray)
  return {
    [Symbol.dispose]() {
      for (const event of events) process.off(event, onStray)
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}

/** What `make` gives. An error that is made meanwhile has no stack, so it is told from one that was there before. */
export function madeWithoutStack<T>(make: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

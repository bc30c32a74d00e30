/** The log: a few lines about conns and peers, never payloads or secrets. */

import { quietly } from './quietly.ts'
import { detached } from './scope.ts'

/** `console` is a logger, and so are most logging libraries. Each call is one line of text. */
export interface Logger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** The default: warnings and errors go to the console, the rest is dropped. */
export const defaultLogger: Logger = {
  debug() {},
  info() {},
  warn: (message) => console.warn(`it-grid: ${message}`),
  error: (message) => console.error(`it-grid: ${message}`)
}

/** Drops everything. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** The same logger, but it neither throws nor rejects: a logger that fails must not break the code that logs. */
export function safeLogger(logger: Logger): Logger {
  const safe = (level: keyof Logger) => (message: string) => quietly(() => detached(() => logger[level](message)))
  return { debug: safe('debug'), info: safe('info'), warn: safe('warn'), error: safe('error') }
}

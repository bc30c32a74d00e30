/**
 * The log: a few lines about conns and peers, never payloads or secrets. But what a handler throws by mistake is logged as it
 * is, and its text may quote a value.
 */

import { quietly } from '../base/quietly.ts'
import { detached } from '../base/scope.ts'
import { errorText, framesOf, maxLine, printable } from '../base/text.ts'
import { GridError } from './errors.ts'

/** What a line is about, for loggers that keep fields. The text says all of it, too. */
export interface LogFields {
  /** The other server. */
  readonly host?: string
  readonly instance?: string
  readonly handler?: string
  readonly subroute?: string
  /** The word of a `reason`, as in errors. */
  readonly reason?: string
  readonly code?: string
  /** What a handler threw by mistake, or other code of the user that nobody else is told of, with its stack. */
  readonly error?: unknown
}

/**
 * `console` is a logger, and so are most logging libraries. Each call is one line of text; where code of the user threw, the stack
 * follows. The fields are those that the line has, if any.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
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

/** The fields of a line that tells of an error: those that programs look at. */
export function fieldsOf(error: unknown): Pick<LogFields, 'code' | 'reason'> {
  if (!GridError.is(error)) return {}
  const reason: unknown = 'reason' in error ? error.reason : undefined
  return { code: error.code, ...(typeof reason === 'string' ? { reason } : {}) }
}

/**
 * Tells of code of the user that threw, where nobody awaits it: `what` has failed by `error`, and the stack leads there. What is an
 * error of ours has one that leads to us.
 */
export function logThrown(
  logger: Logger,
  what: string,
  error: unknown,
  fields: LogFields = {},
  level: 'warn' | 'error' = 'error'
): void {
  const text = `${what}: ${printable(errorText(error), maxLine)}`
  const frames = GridError.is(error) ? [] : framesOf(error)
  logger[level]([text, ...frames].join('\n'), { ...fields, ...fieldsOf(error), error })
}

/** The same logger, but it neither throws nor rejects: a logger that fails must not break the code that logs. */
export function safeLogger(logger: Logger): Logger {
  const safe = (level: keyof Logger) => (message: string, fields?: LogFields) =>
    quietly(() => detached(() => (fields === undefined ? logger[level](message) : logger[level](message, fields))))
  return { debug: safe('debug'), info: safe('info'), warn: safe('warn'), error: safe('error') }
}

/** What this library tells people: a handful of lines about conns and peers, never payloads or secrets. */

/** `console` is one; so are most logging libraries. Each call is one line of text. */
export interface Logger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** The default: warnings and errors to the console, the rest nowhere. */
export const defaultLogger: Logger = {
  debug() {},
  info() {},
  warn: (message) => console.warn(`it-grid: ${message}`),
  error: (message) => console.error(`it-grid: ${message}`)
}

/** Swallows everything. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** One that never throws: a logger that fails must not take with it whoever had something to say. */
export function safeLogger(logger: Logger): Logger {
  const safe = (level: keyof Logger) => (message: string) => {
    try {
      logger[level](message)
    } catch {
      // Where would one say so?
    }
  }
  return { debug: safe('debug'), info: safe('info'), warn: safe('warn'), error: safe('error') }
}

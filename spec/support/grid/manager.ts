/** A manager for specs, its names and its log; and the waits and the secret that all of them share. */

import {
  type ConnDialer,
  connectWS,
  dialerOf,
  type Logger,
  Manager,
  type ManagerOptions,
  sharedSecret,
  silentLogger
} from '../../../lib/index.ts'

export const secret = sharedSecret('a secret of the specs')
/** Waits that a spec can afford. */
export const quickReconnect = { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 }

/** Reconnects quickly, knows the secret of the specs and says nothing, unless the options say otherwise. */
export function testManager(options: Partial<ManagerOptions> & Pick<ManagerOptions, 'local' | 'hosts'>): Manager {
  return new Manager({ auth: secret, logger: silentLogger, reconnect: quickReconnect, ...options })
}

/** Dials names that do not resolve: each where `urlOf` has it. No name is looked up, for that can take five seconds. */
export function dialerTo(urlOf: (name: string) => string | undefined): ConnDialer {
  return async (name, options) => {
    const url = urlOf(name)
    if (url === undefined && !/^https?:\/\/(\d+\.|\[|localhost\b)/.test(name))
      throw new Error(`nobody serves ${name} yet`)
    return await connectWS()(url ?? name, options)
  }
}

/** The first name of a row that dials `other`, or is dialed by it. */
export function nameThat(
  role: 'dials' | 'is dialed',
  other: string,
  nameOf = (n: number) => `http://peer-${n}.test:9000`
): string {
  for (let n = 0; ; n++) if ((dialerOf(nameOf(n), other) === other) === (role === 'is dialed')) return nameOf(n)
}

/** Two names of which the first dials the second. */
export function namesInOrder(): [dialer: string, listener: string] {
  return ['http://a', nameThat('is dialed', 'http://a', (n) => `http://b${n}`)]
}

/** A logger that keeps what it is told. */
export class LogBook implements Logger {
  readonly lines: string[] = []
  readonly debug = this.#keep('debug')
  readonly info = this.#keep('info')
  readonly warn = this.#keep('warn')
  readonly error = this.#keep('error')

  /** What people see by default: warnings and errors that match. */
  warnings(pattern = /^/): string[] {
    return this.lines.filter((line) => /^(warn|error) /.test(line) && pattern.test(line))
  }

  #keep(level: string) {
    return (message: string) => void this.lines.push(`${level} ${message}`)
  }
}

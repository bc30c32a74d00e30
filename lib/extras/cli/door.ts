/** How guests of this run come in: their proof, TLS, and where hosts are reached. Secrets and keys are read from files, once. */

import type { ConnectionOptions } from 'node:tls'
import {
  type Auth,
  connectWS,
  dialGuest,
  type Guest,
  type GuestOptions,
  insecure,
  type Logger,
  mutualTLS,
  RejectedError,
  type RejectReason,
  sharedSecret,
  silentLogger
} from '../../index.ts'
import { ofDial } from './errors.ts'
import { exitCodeOf, exitCodes, UsageError } from './exit.ts'
import { readSecrets, readSmall } from './file.ts'
import type { OptionSpecs, Options } from './options.ts'
import type { Output } from './output.ts'
import { printable } from './text.ts'

/** Of every command that reaches a host. */
export const doorOptions: OptionSpecs = {
  host: { value: 'HOST', env: 'IT_GRID_HOST', help: 'the host, where it is not the first argument' },
  'secret-file': {
    value: 'FILE',
    env: 'IT_GRID_SECRET_FILE',
    help: 'the secret of the guests, without its line break; of several the first one proves'
  },
  ca: { value: 'FILE', env: 'IT_GRID_CA', help: 'certificates of the authorities that are trusted, PEM' },
  cert: {
    value: 'FILE',
    env: 'IT_GRID_CERT',
    help: 'certificate of this guest, PEM; without a secret it is the proof'
  },
  key: { value: 'FILE', env: 'IT_GRID_KEY', help: 'key of the certificate, PEM' },
  servername: { value: 'NAME', env: 'IT_GRID_SERVERNAME', help: 'the name that the certificate of the host is for' },
  insecure: { env: 'IT_GRID_INSECURE', help: 'prove nothing; for hosts with auth: insecure()' },
  url: {
    value: 'URL',
    env: 'IT_GRID_URL',
    help: 'where hosts are reached; {hostname}, {port} and {path} are filled in'
  },
  path: { value: 'PATH', env: 'IT_GRID_PATH', help: 'path of the upgrade; default /grid/v1' },
  name: { value: 'NAME', env: 'IT_GRID_NAME', help: 'name of this guest in logs and rules' },
  'connect-timeout': { value: 'TIME', env: 'IT_GRID_CONNECT_TIMEOUT', help: 'how long to dial; default 10s' },
  verbose: { short: 'v', help: 'tell on stderr what the conn does' }
}

const defaultConnectMs = 10_000

/** As of `dialGuest` and `connectWS`. */
export interface Comer {
  readonly auth: Auth
  readonly name?: string
  readonly path?: string
  readonly tls?: ConnectionOptions
  readonly url?: (host: string, path: string) => string
}

export interface Door {
  readonly comer: Comer
  dial(host: string, signal: AbortSignal): Promise<Guest>
}

/** @throws {UsageError} where a file cannot be read, or nothing says how the guest proves itself */
export async function openDoor(
  options: Options,
  env: NodeJS.ProcessEnv,
  err: Output,
  signal: AbortSignal
): Promise<Door> {
  if ((env.IT_GRID_SECRET ?? '') !== '') {
    const why = 'every process of this user can read the environment of others'
    throw new UsageError(
      `IT_GRID_SECRET is not taken: ${why}. Write it into a file: IT_GRID_SECRET_FILE, or --secret-file`
    )
  }
  const comer = await comerOf(options, signal)
  const { tls, url, ...own } = comer
  const common: Omit<GuestOptions, 'signal'> = {
    ...own,
    dialer: connectWS({ ...(tls && { tls }), ...(url && { url }) }),
    logger: options.has('verbose') ? loggerTo(err) : silentLogger,
    // A call that may take less ends with it.
    timeout: options.ms('connect-timeout') ?? Math.min(defaultConnectMs, options.ms('timeout') ?? defaultConnectMs)
  }
  const dial = async (host: string, signal: AbortSignal) => {
    try {
      return await dialGuest(host, { ...common, signal })
    } catch (error) {
      throw ofDial(error, adviceFor(error, host, options))
    }
  }
  return { comer, dial }
}

async function comerOf(options: Options, signal: AbortSignal): Promise<Comer> {
  const [name, path, url] = [options.text('name'), options.text('path'), options.text('url')]
  const tls = await tlsOf(options, signal)
  // What is wrong with it is told before anything is dialed.
  if (path !== undefined && !path.startsWith('/'))
    throw new UsageError(`--path must be a path such as /grid/v1; it is "${printable(path)}"`)
  if (url !== undefined) fill(url, 'http://host:1', '/path')
  return {
    auth: await authOf(options, signal),
    ...(name === undefined ? {} : { name }),
    ...(path === undefined ? {} : { path }),
    ...(tls === undefined ? {} : { tls }),
    ...(url === undefined ? {} : { url: (host: string, path: string) => fill(url, host, path) })
  }
}

async function authOf(options: Options, signal: AbortSignal): Promise<Auth> {
  const file = options.text('secret-file')
  if (options.has('insecure')) {
    if (file !== undefined) throw new UsageError('--insecure proves nothing: leave it out, or leave the secret out')
    return insecure()
  }
  if (file !== undefined) {
    return sharedSecret(await readSecrets(file, signal))
  }
  if (options.has('cert')) return mutualTLS()
  throw new UsageError('say how this guest proves itself: --secret-file FILE, or --cert FILE --key FILE, or --insecure')
}

/** The host has answered: there is nothing to look for. */
const answers: readonly (RejectReason | undefined)[] = ['guestRefused', 'tooManyGuests', 'noGuests', 'goingAway']

/** What to do where a host is not reached, or refuses this guest; undefined where the error says it. */
function adviceFor(error: unknown, host: string, options: Options): string | undefined {
  // Of this command line: nothing was dialed.
  if (exitCodeOf(error) === exitCodes.usage) return undefined
  const { reason, message } = RejectedError.is(error) ? error : { reason: undefined, message: '' }
  const name = /this server is (\S+), not /.exec(message)?.[1]
  if (reason === 'wrongHost' && name !== undefined) {
    return `name it ${name}, as its grid does; if it is reached at ${host} only, name it so and add --url ${host}`
  }
  if (reason === 'authFailed') return `${proofAdvice(options)}. Its log has the reason`
  if (answers.includes(reason)) return undefined
  return `look for the cause: it-grid doctor ${host}, with the same options`
}

/** The other end does not say what is wrong: it must not, before it knows who asks. */
function proofAdvice(options: Options): string {
  const [file, certificate] = [options.text('secret-file'), options.text('cert')]
  if (file !== undefined) {
    const rest = 'blanks count, and so does a line break that the server reads with its own'
    const other = 'or that server lacks the option guests, and takes none'
    return `the secret in ${file} is probably not that of guests.auth there (without guests.auth: that of its hosts), ${other}. Compare both secrets: ${rest}`
  }
  if (certificate === undefined)
    return 'this guest proves nothing (--insecure): give --secret-file, or --cert and --key'
  return `${certificate} is probably of no authority that the server trusts, or not for NAME.guest.invalid with the --name of this guest; or the server lacks the option guests, and takes none`
}

function fill(template: string, host: string, path: string): string {
  const { hostname, port, protocol } = new URL(host)
  const parts: Readonly<Record<string, string>> = {
    hostname,
    port: port || (protocol === 'https:' ? '443' : '80'),
    path
  }
  const url = template.replace(/\{(\w+)\}/g, (whole, name: string) => parts[name] ?? whole)
  if (!URL.canParse(url)) throw new UsageError(`--url must be a whole URL; it is "${printable(url)}"`)
  // Where there is no path, it is the one of the upgrade.
  return template.includes('{path}') || new URL(url).pathname !== '/' ? url : new URL(path, url).href
}

async function tlsOf(options: Options, signal: AbortSignal): Promise<ConnectionOptions | undefined> {
  if (options.has('cert') !== options.has('key')) throw new UsageError('--cert and --key belong together')
  const read = async (name: string) => {
    const file = options.text(name)
    return file === undefined ? {} : { [name]: await readSmall(file, `--${name}`, signal) }
  }
  const servername = options.text('servername')
  const files = { ...(await read('ca')), ...(await read('cert')), ...(await read('key')) }
  const tls = { ...files, ...(servername === undefined ? {} : { servername }) }
  return Object.keys(tls).length === 0 ? undefined : tls
}

function loggerTo(err: Output): Logger {
  const log = (level: string) => (text: string) => void err.line(`${level} ${printable(text)}`)
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

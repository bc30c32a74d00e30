/** Comes in as a guest, or says why a server does not let it. */

import type { ConnectionOptions } from 'node:tls'
import {
  type Auth,
  connectWS,
  DialError,
  dialGuest,
  type Guest,
  InvalidOptionError,
  RejectedError,
  silentLogger
} from '../../index.ts'
import { type Finding, Findings } from './finding.ts'
import type { Reached, Target } from './network.ts'
import { printable, said } from './text.ts'
import { findPathFault } from './upgrade.ts'

/** How the doctor comes in. */
export interface Door {
  readonly auth: Auth
  readonly name?: string
  readonly path?: string
  readonly tls: ConnectionOptions
}

export interface Visit {
  readonly guest: Guest
  /** What the server calls itself. */
  readonly name: string
}

/** A guest of the server; undefined where it does not let it in. */
export async function* visit(target: Target, reached: Reached, door: Door): AsyncGenerator<Finding, Visit | undefined> {
  const findings = new Findings(target.host)
  try {
    const guest = await dial(target, door, target.host)
    return yield* handOver(guest, tellIn(findings, target), target.host)
  } catch (error) {
    target.signal.throwIfAborted()
    if (InvalidOptionError.is(error)) throw error
    if (!RejectedError.is(error)) {
      yield (await findPathFault(target, reached, door.tls)) ?? tellNoHandshake(findings, error)
      return undefined
    }
    yield findings.good('path', `${target.url.pathname} answers a WebSocket upgrade`)
    if (error.reason !== 'wrongHost') {
      yield tellRefused(findings, error)
      return undefined
    }
    const name = /this server is (\S+), not /.exec(error.message)?.[1] ?? 'unknown'
    const text = `the server at this address is ${printable(name)}, and not ${target.host}`
    const advice = `correct the address (DNS, a proxy, a port) or the name: peers that have ${target.host} in their list are refused`
    yield findings.fault('guest', 'wrongName', text, advice)
    return await again(target, door, name)
  }
}

/** Who leaves the loop at one of the findings has not been given the guest, and cannot end it. */
async function* handOver(guest: Guest, told: Iterable<Finding>, name: string): AsyncGenerator<Finding, Visit> {
  let isHandedOver = false
  try {
    yield* told
    isHandedOver = true
    return { guest, name }
  } finally {
    if (!isHandedOver) await guest.close({ timeout: 0 })
  }
}

/** Under its own name; undefined where that does not work either. */
async function again(target: Target, door: Door, name: string): Promise<Visit | undefined> {
  try {
    return { guest: await dial(target, door, name), name }
  } catch {
    target.signal.throwIfAborted()
    return undefined
  }
}

async function dial({ url, timeoutMs, signal }: Target, { tls, ...door }: Door, name: string): Promise<Guest> {
  const dialer = connectWS({ tls, url: () => url })
  return await dialGuest(name, { ...door, dialer, logger: silentLogger, timeout: timeoutMs, signal })
}

function* tellIn(findings: Findings, { url }: Target): Generator<Finding> {
  yield findings.good('path', `${url.pathname} answers a WebSocket upgrade`)
  yield findings.good('guest', 'it takes this guest: the secrets are the same, and so is the name')
}

function tellNoHandshake(findings: Findings, error: unknown): Finding {
  if (DialError.is(error)) {
    return findings.fault(
      'path',
      'otherServer',
      `no WebSocket comes about: ${said(error)}`,
      'look what answers at this port'
    )
  }
  const text = `it upgrades to a WebSocket, and then no session comes about: ${said(error)}`
  return findings.fault(
    'guest',
    'noSession',
    text,
    'its log says more; a process whose event loop is blocked answers nothing'
  )
}

const refusals: Readonly<
  Partial<Record<RejectedError['reason'], readonly [Finding['cause'] & string, string, string]>>
> = {
  authFailed: [
    'wrongSecret',
    'the secret of this guest is another one than that of the server, which may lack the option guests, or their certificates and names do not fit',
    'look whether that server has the option guests: without it, only the secret of its hosts is known there; then give this guest the secret of guests.auth (without guests.auth: that of its hosts); its log says more'
  ],
  noGuests: ['noGuests', 'it takes no guests', 'give it the option guests: { allow } if it is to be looked into'],
  guestRefused: [
    'guestRefused',
    'its rule guests.admit does not take this guest',
    'ask with a name that it takes (--name)'
  ],
  tooManyGuests: ['guestRefused', 'it has as many guests as it takes', 'end others, or raise guests.max'],
  unknownHost: [
    'oldVersion',
    'it takes this guest for a host that it does not know: it is of a version that knows no guests',
    'install the version of this program on that server'
  ],
  unsupportedVersion: [
    'oldVersion',
    'it speaks no version of the protocol that this program speaks',
    'install one version'
  ],
  goingAway: ['shuttingDown', 'it is shutting down', 'look whether it is being replaced; try again']
}

function tellRefused(findings: Findings, { reason, message }: RejectedError): Finding {
  const [cause, text, advice] = refusals[reason] ?? ['refused', printable(message), 'its log says more']
  return findings.fault('guest', cause, text, advice)
}

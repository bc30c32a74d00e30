/** Whether TLS comes about with a server, and what of its certificate a peer would refuse: its dates, its names, its authority. */

import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { type Finding, Findings } from './finding.ts'
import { codeOf, openSocket, type Reached, type Target, toPlace, whenReady, within } from './network.ts'

const dayMs = 86_400_000
/** A certificate that ends sooner should have a successor. */
const soonDays = 14

/** Whether a peer would take it. */
export async function* checkTls(
  target: Target,
  { address }: Reached,
  options: ConnectionOptions
): AsyncGenerator<Finding, boolean> {
  const findings = new Findings(target.host)
  const { hostname } = toPlace(target)
  const name = options.servername ?? hostname
  let socket: TLSSocket
  try {
    socket = await openTls(target, address, options)
  } catch (error) {
    target.signal.throwIfAborted()
    yield await tellFailed(findings, target, address, error)
    return false
  }
  const certificate = socket.getPeerCertificate()
  const error = String(socket.authorizationError ?? '')
  socket.destroy()
  const faults = [...datesOf(findings, certificate), ...namesOf(findings, certificate, name)]
  const isOfAuthority = error !== '' && !/CERT_(HAS_EXPIRED|NOT_YET_VALID)|ALTNAME/.test(error)
  if (isOfAuthority) {
    const text = `the certificate is signed by no authority that is trusted here (${error}); its issuer is ${nameOf(certificate.issuer)}`
    const advice =
      'give the certificate of that authority to all that dial (tls: { ca }, or --ca here), the whole chain to the server'
    faults.push(findings.fault('tls', 'tlsUntrusted', text, advice))
  }
  yield* faults
  const isGood = !faults.some(({ level }) => level === 'fault')
  if (isGood) yield findings.good('tls', `the certificate is for ${name}, until ${certificate.valid_to}`)
  return isGood
}

/** Whether something at this port answers TLS, whatever its certificate. */
export async function answersTls(target: Target, address: string): Promise<boolean> {
  try {
    const socket = await openTls(target, address, {})
    socket.destroy()
    return true
  } catch {
    target.signal.throwIfAborted()
    return false
  }
}

async function openTls(target: Target, address: string, options: ConnectionOptions): Promise<TLSSocket> {
  const { hostname, port } = toPlace(target)
  const servername = options.servername ?? (isIP(hostname) === 0 ? hostname : '')
  const socket = await openSocket(target, address, port)
  // What it is refused for is looked at here, all of it.
  return await whenReady(
    target,
    connect({ ...options, socket, servername, rejectUnauthorized: false }),
    'secureConnect'
  )
}

async function tellFailed(findings: Findings, target: Target, address: string, error: unknown): Promise<Finding> {
  const code = codeOf(error)
  if (await answersPlain(target, address)) {
    const text = `${target.host} speaks plain HTTP at this port, and its name says https`
    return findings.fault(
      'tls',
      'plainOnHttps',
      text,
      'name it http://, or give its server a certificate (https.createServer)'
    )
  }
  if (code === 'ETIMEDOUT') return tellSilent(findings, target)
  const text = `TLS does not come about (${code})`
  return findings.fault(
    'tls',
    'tlsFailed',
    text,
    'look for versions and ciphers of TLS, and for a proxy that cuts what it does not know'
  )
}

export function tellSilent(findings: Findings, { timeoutMs }: Target): Finding {
  const text = `the port accepts conns, but nothing answers on them within ${timeoutMs} ms`
  const advice =
    'the process hangs, is stopped, or has its event loop blocked; or what listens there is something else: look at that process'
  return findings.fault('port', 'silent', text, advice)
}

/** Whether a request without TLS is answered by HTTP. */
async function answersPlain(target: Target, address: string): Promise<boolean> {
  let socket: Socket | undefined
  try {
    socket = await openSocket(target, address, toPlace(target).port)
    socket.write(`GET / HTTP/1.1\r\nhost: ${target.url.host}\r\nconnection: close\r\n\r\n`)
    const open = socket
    const first = new Promise<string>((resolve, reject) => {
      open.once('data', (data) => resolve(data.toString('latin1')))
      open.once('close', () => reject(new Error('closed')))
    })
    return /^HTTP\/1/.test(await within(target, first))
  } catch {
    target.signal.throwIfAborted()
    return false
  } finally {
    socket?.destroy()
  }
}

function* datesOf(findings: Findings, { valid_from, valid_to }: PeerCertificate): Generator<Finding> {
  const [from, to, now] = [Date.parse(valid_from), Date.parse(valid_to), Date.now()]
  if (to < now) {
    const text = `the certificate has expired, on ${valid_to}`
    yield findings.fault('tls', 'tlsExpired', text, 'renew it; a running server takes it by server.setSecureContext()')
  } else if (from > now) {
    const text = `the certificate is valid from ${valid_from} on, which is later than the clock of this machine`
    yield findings.fault(
      'tls',
      'tlsNotYetValid',
      text,
      'check the clocks of this machine and of the one that signed it'
    )
  } else if (to - now < soonDays * dayMs) {
    const text = `the certificate expires soon, on ${valid_to}`
    yield findings.doubt('tls', 'tlsExpired', text, 'check that something renews it')
  }
}

function* namesOf(findings: Findings, certificate: PeerCertificate, name: string): Generator<Finding> {
  if (checkServerIdentity(name, certificate) === undefined) return
  const names = certificate.subjectaltname ?? `no name at all (its subject is ${nameOf(certificate.subject)})`
  const text = `the certificate is for another name: it is for ${names}, and ${name} was dialed`
  yield findings.fault('tls', 'tlsOtherName', text, `give the server a certificate that has ${name} among its names`)
}

function nameOf(subject: PeerCertificate['subject'] | undefined): string {
  return String(subject?.CN ?? subject?.O ?? 'unknown')
}

/** Why an upgrade is not answered by a server of a grid: what answers instead, if anything does. */

import { randomBytes } from 'node:crypto'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { type Finding, Findings } from './finding.ts'
import { codeOf, type Reached, type Target, toPlace, within } from './network.ts'
import { answersTls, tellSilent } from './tls.ts'

const subprotocol = 'it-grid.v1'

/** What is wrong with the path; undefined where the upgrade is answered as by a server of a grid. */
export async function findPathFault(
  target: Target,
  { address }: Reached,
  tls: ConnectionOptions
): Promise<Finding | undefined> {
  const findings = new Findings(target.host)
  try {
    const response = await upgrade(target, tls)
    return describe(findings, target, response)
  } catch (error) {
    target.signal.throwIfAborted()
    if (!toPlace(target).isSecure && (await answersTls(target, address))) {
      const text = `${target.host} speaks TLS at this port, and its name says http`
      return findings.fault('path', 'tlsOnHttp', text, 'name it https:// in all lists of hosts, its own included')
    }
    if (codeOf(error) === 'ETIMEDOUT') return tellSilent(findings, target)
    // A server of TLS 1.3 refuses a certificate after it has answered, and Node's closes the conn only.
    if (toPlace(target).isSecure && /ALERT|ECONNRESET|EPIPE/.test(codeOf(error))) {
      const text = `${tls.cert === undefined ? 'it asks for a certificate, and this guest has none' : 'it refuses the certificate of this guest'} (${codeOf(error)})`
      const advice =
        'give this guest a certificate of an authority that the server trusts (tls: { cert, key }, or --cert and --key)'
      return findings.fault('tls', 'certificateRefused', text, advice)
    }
    const text = `the upgrade is answered by no HTTP (${codeOf(error)})`
    return findings.fault('path', 'otherServer', text, 'look which process listens at this port')
  }
}

function upgrade(target: Target, tls: ConnectionOptions): Promise<IncomingMessage> {
  const { hostname, isSecure } = toPlace(target)
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    ...{ 'sec-websocket-key': randomBytes(16).toString('base64'), 'sec-websocket-protocol': subprotocol }
  }
  const servername = tls.servername ?? (isIP(hostname) === 0 ? hostname : '')
  const request: ClientRequest = isSecure
    ? httpsRequest(target.url, { ...tls, servername, rejectUnauthorized: false, headers, agent: false })
    : httpRequest(target.url, { headers, agent: false })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('upgrade', resolve).once('response', resolve).on('error', reject).end()
  })
  return within(target, answered).finally(() => request.destroy())
}

function describe(findings: Findings, target: Target, response: IncomingMessage): Finding | undefined {
  const { statusCode: status = 0, headers } = response
  const path = target.url.pathname
  if (status === 101) {
    if (headers['sec-websocket-protocol'] === subprotocol) return undefined
    const text = `another WebSocket server answers on ${path}: it does not choose the subprotocol ${subprotocol}`
    return findings.fault('path', 'otherServer', text, 'give the grid a path, or a server, of its own')
  }
  if (status === 503) {
    const text = `it answers the upgrade on ${path} with 503: it shuts down, or a proxy before it has no server`
    return findings.fault('path', 'shuttingDown', text, 'look whether it is being replaced; try again')
  }
  if (status === 502 || status === 504) {
    const text = `a proxy answers the upgrade on ${path} with ${status}: it does not reach the server`
    return findings.fault('path', 'proxyFailed', text, 'look at the log of the proxy')
  }
  const text = `the upgrade on ${path} is answered with ${status}, so the grid is not served on this path`
  const advice =
    'check that the server calls attach(), that path is the same on all servers, and what a proxy makes of it'
  return findings.fault('path', 'wrongPath', text, advice)
}

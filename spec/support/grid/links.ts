/**
 * The kinds of link that the behaviour suite runs over: two managers, connected by each kind of conn there is, with the
 * caller on the dialing or on the accepting end, and a network between them that can be blocked and cut.
 */

import {
  type ConnDialer,
  type Connection,
  type Manager,
  type ManagerOptions,
  UnknownHandlerError
} from '../../../lib/index.ts'
import { type Network, networks } from '../network/kinds.ts'
import { until } from '../until.ts'
import { nameThat, testManager } from './manager.ts'
import { assertIdle, closeManagers } from './nothing-left.ts'

export type LinkKind = keyof typeof networks
/** Which end calls: the one that dialed, or the one that accepted. */
export type CallsFrom = 'dialer' | 'listener'

/** Options of both managers. */
export type LinkOptions = Partial<
  Pick<ManagerOptions, 'limits' | 'keepAlive' | 'reconnect' | 'checksum' | 'serveWhen' | 'logger' | 'interceptors'>
>

export type Link = ReturnType<typeof linkOver>

export async function openLink(kind: LinkKind, from: CallsFrom, options: LinkOptions = {}) {
  const network = await networks[kind]()
  // It is not dialed, so that any name will do for it.
  const dialerName = nameThat('dials', network.listenerName)
  const hosts = [dialerName, network.listenerName]
  const make = (local: string, dialer: ConnDialer) => testManager({ local, hosts, dialer, ...options })
  const listener = make(network.listenerName, () => Promise.reject(new Error('the listener must not dial')))
  const dialer = make(dialerName, network.dialer)
  network.accept(listener)
  const [caller, responder] = from === 'dialer' ? [dialer, listener] : [listener, dialer]
  const link = linkOver(network, caller, responder, from)
  try {
    await link.connected()
    return link
  } catch (error) {
    await link.abandon()
    throw error
  }
}

/** Runs `body`, checks that nothing is left of it, and closes the link. What is left after a failure would only hide that. */
export async function useLink(link: Link, body: (link: Link) => Promise<void>): Promise<void> {
  try {
    await body(link)
    await link.dispose()
  } finally {
    await link.abandon()
  }
}

type Side = 'caller' | 'responder'

function linkOver(network: Network, caller: Manager, responder: Manager, from: CallsFrom) {
  const peer = caller.connection(responder.local)
  const back = responder.connection(caller.local)
  const towards = (side: Side) => ((side === 'caller') === (from === 'dialer') ? 'outbound' : 'inbound')
  let abandoned: Promise<void> | undefined
  const abandon = async () => {
    await Promise.all([caller.close({ timeout: 1 }), responder.close({ timeout: 1 })])
    await network.close()
  }
  const settled = () => assertIdle([caller, responder])
  const abandonOnce = () => {
    abandoned ??= abandon()
    return abandoned
  }
  return {
    caller,
    responder,
    /** The caller's connection to the responder. */
    peer,
    /** The responder's connection to the caller: the same conn. */
    back,
    /** Kills the conn under whatever it carries. */
    cut: () => network.faults.cut(),
    /** Nothing arrives any more at one side; it can still send. */
    blockInbound: (side: Side) => network.faults.impair({ blackhole: true }, towards(side)),
    /** Bytes arrive at one side at this rate from now on; not over memory. */
    throttleInbound: (side: Side, bytesPerSecond: number) => network.faults.impair({ bytesPerSecond }, towards(side)),
    unblock: () => network.faults.heal(),
    /** Resolves when both ends are connected, since session number `sessions` of the link. */
    async connected(sessions = 1) {
      const isUp = (end: Connection) => end.state === 'connected' && end.stats().reconnects >= sessions - 1
      await until(() => isUp(peer) && isUp(back), `both ends have had ${sessions} sessions`)
    },
    /** Resolves when each end knows the handlers that the other one has registered so far. */
    async known() {
      await Promise.all([isKnown(responder, peer), isKnown(caller, back)])
    },
    /** Resolves when no stream is open and no handler runs on either end. */
    settled,
    /** Checks that nothing is left, and closes everything. */
    async dispose() {
      try {
        await settled()
        await closeManagers([caller, responder])
      } finally {
        await abandonOnce()
      }
    },
    /** Closes everything without a check, after a failure or when what is left is not to be waited for. */
    abandon: abandonOnce
  }
}

let markers = 0

/** Handlers are advertised in the order they were registered: with a last one, all are known. */
async function isKnown(manager: Manager, connection: Connection): Promise<void> {
  const marker = `marker-${++markers}`
  manager.handle(marker, (payload) => payload)
  const answers = async () => {
    const error = await connection.request(marker).catch((error) => error)
    if (error instanceof Error && !(error instanceof UnknownHandlerError)) throw error
    return !(error instanceof Error)
  }
  await until(answers, `${connection.host} has made its handlers known`)
}

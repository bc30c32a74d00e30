/** The EndpointSlices of one service, and the names of hosts that they give. */

import { arrayOf, membersOf } from './http.ts'
import { maxHosts, type Name, nameOf } from './kept-hosts.ts'
import type { KubernetesHostsOptions } from './kubernetes-options.ts'

type SlicesOptions = Pick<KubernetesHostsOptions, 'names' | 'portName' | 'scheme' | 'service'>

export class Slices {
  readonly #options: SlicesOptions
  readonly #scheme: string
  /** Of a service with two families each pod has an address of each, which must not make two hosts of it. */
  readonly #family: string
  /** What follows the name of a pod. */
  readonly #domain: string
  /** The names in each slice. */
  readonly #slices = new Map<string, readonly Name[]>()

  /** @param local canonical */
  constructor(options: SlicesOptions, local: string) {
    const { protocol, hostname } = new URL(local)
    this.#options = options
    this.#scheme = options.scheme ?? protocol.slice(0, -1)
    // Who calls this server by its whole name calls the others so.
    const [, domain] = hostname.split(`.${options.service}.`)
    this.#domain = options.service + (domain === undefined ? '' : `.${domain}`)
    this.#family = hostname.startsWith('[') ? 'IPv6' : 'IPv4'
  }

  /** @throws {Error} when it is none, or they are too many */
  set(slice: unknown): void {
    this.#slices.set(sliceNameOf(slice), this.#toNames(slice))
    let count = 0
    for (const names of this.#slices.values()) count += names.length
    if (Math.max(count, this.#slices.size) > maxHosts) throw new Error(`it has more than ${maxHosts} endpoints`)
  }

  delete(slice: unknown): void {
    this.#slices.delete(sliceNameOf(slice))
  }

  /** @throws {Error} when none of them is good: one that is wrong for all says more than that all are */
  names(): Name[] {
    const names = [...this.#slices.values()].flat()
    const [first] = names
    if (first instanceof Error && names.every((each) => each instanceof Error)) throw first
    return names
  }

  #toNames(slice: unknown): Name[] {
    const { addressType, endpoints, ports } = membersOf(slice)
    const { names } = this.#options
    // The API leaves out what is empty.
    const found = arrayOf(endpoints ?? [], 'endpoints')
    if (found.length === 0 || (names === 'address' && addressType !== this.#family)) return []
    // Pods that do not have the port, as while it is rolled out, are in a slice of their own.
    const port = this.#port(arrayOf(ports ?? [], 'ports'))
    return found.map((endpoint) => (port instanceof Error ? port : this.#toName(membersOf(endpoint), port)))
  }

  #toName({ addresses, hostname }: Readonly<Record<string, unknown>>, port: unknown): Name {
    const { names } = this.#options
    const address: unknown = Object(addresses)[0]
    if (names === 'address') return nameOf(this.#scheme, address, port)
    if (typeof hostname === 'string' && hostname !== '')
      return nameOf(this.#scheme, `${hostname}.${this.#domain}`, port)
    return new Error(
      `the pod at ${String(address)} has no hostname, as those of a StatefulSet with this serviceName have`
    )
  }

  /** An error where it is not known which. */
  #port(ports: readonly unknown[]): unknown {
    const { portName } = this.#options
    const all = ports.map(membersOf)
    const fitting = portName === undefined ? all : all.filter(({ name }) => name === portName)
    if (fitting.length === 1) return fitting[0]?.port
    const named = all.map(({ name }) => `"${String(name ?? '')}"`).join(', ')
    if (all.length === 0) return new Error('the service has no port, or these pods do not have it')
    if (portName === undefined) return new Error(`portName is needed: the service has the ports ${named}`)
    return new Error(`the service has no port "${portName}"; it has ${named}`)
  }
}

function sliceNameOf(slice: unknown): string {
  const { name } = membersOf(membersOf(slice).metadata)
  if (typeof name === 'string') return name
  throw new Error('an EndpointSlice without a name')
}

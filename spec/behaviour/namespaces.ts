/**
 * Two hosts on one machine: network namespaces with a cable between them, which can be pulled, and in which what one
 * side sends can be lost. Needs Linux, root and `ip`; what it makes bears the id of this process.
 */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { paced } from '../support/clock/pace.ts'

const prefix = 'it-grid-'
const commandMs = paced(5000)
/** Nobody has it: the other side ignores what is sent there. */
const wrongHardware = '02:00:00:00:00:99'

/** One of the two hosts. */
export interface NamespaceHost {
  readonly address: string
  readonly namespace: string
  readonly device: string
}

export class Namespaces {
  readonly hosts: readonly [NamespaceHost, NamespaceHost]
  #removed = false

  private constructor() {
    const host = (number: number): NamespaceHost => ({
      address: `10.77.0.${number + 1}`,
      namespace: `${prefix}${process.pid}-${number}`,
      device: `grid${number}`
    })
    this.hosts = [host(0), host(1)]
  }

  /** Makes both, or tells why that cannot be. */
  static make(): Namespaces | string {
    if (process.platform !== 'linux') return 'there are no network namespaces on this system'
    if (process.getuid?.() !== 0) return 'it takes root to make network namespaces'
    removeForgotten()
    const made = new Namespaces()
    try {
      made.#make()
      process.once('exit', () => made.remove())
      return made
    } catch (error) {
      made.remove()
      return `network namespaces cannot be made: ${error instanceof Error ? error.message : error}`
    }
  }

  /** What runs a command on a host. */
  commandOn({ namespace }: NamespaceHost): string[] {
    return ['ip', 'netns', 'exec', namespace]
  }

  /** Pulls the cable at one end; both see that. */
  pull({ namespace, device }: NamespaceHost): void {
    ip(`-n ${namespace} link set ${device} down`)
  }

  /** From now on what `from` sends is lost, and nobody sees that. */
  lose({ namespace, device }: NamespaceHost): void {
    const other = this.hosts.find((host) => host.namespace !== namespace)
    ip(`-n ${namespace} neigh replace ${other?.address} lladdr ${wrongHardware} dev ${device} nud permanent`)
  }

  /** The cable is in again, and nothing is lost. */
  heal(): void {
    for (const { namespace, device } of this.hosts) {
      ip(`-n ${namespace} link set ${device} up`)
      ip(`-n ${namespace} neigh flush dev ${device} nud all`)
    }
  }

  /** Takes both away, and the cable with them. Processes in them must have ended. */
  remove(): void {
    if (this.#removed) return
    this.#removed = true
    for (const { namespace } of this.hosts) remove(namespace)
  }

  #make(): void {
    const [one, other] = this.hosts
    for (const { namespace } of this.hosts) ip(`netns add ${namespace}`)
    const peer = `peer name ${other.device} netns ${other.namespace}`
    ip(`link add ${one.device} netns ${one.namespace} type veth ${peer}`)
    for (const { namespace, device, address } of this.hosts) {
      ip(`-n ${namespace} addr add ${address}/24 dev ${device}`)
      for (const name of ['lo', device]) ip(`-n ${namespace} link set ${name} up`)
      ip(`netns exec ${namespace} true`)
    }
  }
}

/** Those of a run that was killed. */
function removeForgotten(): void {
  for (const name of namesIn('/run/netns')) {
    const [, pid] = /^it-grid-(\d+)-[01]$/.exec(name) ?? []
    if (pid !== undefined && !namesIn('/proc').includes(pid)) remove(name)
  }
}

function remove(namespace: string): void {
  spawnSync('ip', ['netns', 'del', namespace], { timeout: commandMs })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // It is made with the first namespace.
    return []
  }
}

function ip(args: string): void {
  const { error, status, stderr } = spawnSync('ip', args.split(' '), { timeout: commandMs, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`ip ${args}: ${stderr.trim()}`)
}

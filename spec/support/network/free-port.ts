/** Ports for servers that are restarted on them. By chance, not by a seed: two runs of one spec on a machine must not meet. */

import { freePort } from '../../../examples/free-port.ts'

export { freePort }

/** As many, no two of them the same. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

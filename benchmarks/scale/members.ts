/** A mesh of processes: `member.ts` on ports of loopback that were free a moment ago, for a server that comes back needs its old one. */

import { freePort } from '../../examples/free-port.ts'
import { Child } from '../harness/commands.ts'
import type { MemberCommands } from './member.ts'

const script = new URL('./member.ts', import.meta.url)

export class Mesh {
  readonly hosts: readonly string[]
  readonly #library: string
  readonly #members = new Map<string, Child<MemberCommands>>()

  private constructor(hosts: readonly string[], library: string) {
    this.hosts = hosts
    this.#library = library
  }

  /** A mesh of so many, none of which runs yet, of the build in the folder `library`; '' for this one. */
  static async of(size: number, library: string): Promise<Mesh> {
    const hosts = new Set<string>()
    while (hosts.size < size) hosts.add(`http://127.0.0.1:${await freePort()}`)
    return new Mesh([...hosts], library)
  }

  get members(): Child<MemberCommands>[] {
    return [...this.#members.values()]
  }

  /** Starts these, and tells how long it took from the moment in which the last of them listened. */
  async untilWhole(locals = this.hosts): Promise<number> {
    const started = locals.map((local) => new Child<MemberCommands>(script, [this.#library, local, ...this.hosts]))
    for (const [index, local] of locals.entries()) this.#members.set(local, started[index] as Child<MemberCommands>)
    const all = await Promise.all(started.map((member) => member.ask('whole')))
    return Math.max(...all.map(({ wholeMs }) => wholeMs)) - Math.max(...all.map(({ listeningMs }) => listeningMs))
  }

  async stop(local: string): Promise<void> {
    await this.#members.get(local)?.stop()
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()))
  }
}

/** Speaks as much of Consul's HTTP API as a health query of one service needs, blocking queries included. */

import type { ServerResponse } from 'node:http'
import { type Create, FaultyServer } from './faulty-server.ts'

export interface Instance {
  readonly address: string
  readonly port: number
  /** Default `passing`. */
  readonly status?: string
  /** That of the service itself; default none. */
  readonly serviceAddress?: string
}

export class ConsulServer extends FaultyServer {
  index = 10
  #instances: readonly Instance[] = []
  readonly #waiting = new Map<ServerResponse, NodeJS.Timeout>()

  constructor(create?: Create) {
    super((_, response, { searchParams }) => {
      const index = Number(searchParams.get('index') ?? 0)
      // One from the future blocks, too: that is what makes an index that goes backwards dangerous.
      if (index === 0 || index < this.index) return this.#answerTo(response)
      const waitMs = Number.parseFloat(searchParams.get('wait') ?? '300s') * 1000
      const timer = setTimeout(() => this.#answerTo(response), waitMs)
      this.#waiting.set(response, timer)
      response.on('close', () => {
        clearTimeout(timer)
        this.#waiting.delete(response)
      })
    }, create)
  }

  static async start(...instances: readonly Instance[]): Promise<ConsulServer> {
    return await new ConsulServer().listenWith(...instances)
  }

  async listenWith(...instances: readonly Instance[]): Promise<this> {
    this.#instances = instances
    await this.listen()
    return this
  }

  /** How many queries wait for a change. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** @param index default: one higher */
  set(instances: readonly Instance[], index = this.index + 1): void {
    this.#instances = instances
    this.index = index
    for (const response of this.#waiting.keys()) this.#answerTo(response)
  }

  /** All that wait get their answer, as after their time. */
  answerAll(): void {
    for (const response of this.#waiting.keys()) this.#answerTo(response)
  }

  #answerTo(response: ServerResponse): void {
    clearTimeout(this.#waiting.get(response))
    this.#waiting.delete(response)
    const entries = this.#instances.map(({ address, port, status = 'passing', serviceAddress = '' }) => ({
      Node: { Node: `node-${address}`, Address: address },
      Service: { ID: `grid-${port}`, Service: 'grid', Address: serviceAddress, Port: port, Tags: [] },
      Checks: [
        { CheckID: 'serfHealth', Status: 'passing' },
        { CheckID: 'service', Status: status }
      ]
    }))
    response.setHeader('x-consul-index', this.index).end(JSON.stringify(entries))
  }
}

/** When this process did not get a processor: then nothing in it happens, and no timer tells that a time is over. */

import { cpuMs, machineMs } from '../clock/machine.ts'
import type { Stall } from './holders.ts'

const tickMs = 10
/** What is shorter may be anything. */
const leastMs = 50

export class Stalls {
  /** When timers ran last, and how much computing this process had done by then. */
  #tickAtMs = machineMs()
  #tickCpuMs = cpuMs()
  #last: Stall | undefined

  constructor() {
    setInterval(() => this.#tick(), tickMs).unref()
  }

  /** The last one; it may go on. */
  last(): Stall | undefined {
    return this.#present() ?? this.#last
  }

  #tick(): void {
    this.#last = this.last()
    this.#tickAtMs = machineMs()
    this.#tickCpuMs = cpuMs()
  }

  /** What it computed itself is none. */
  #present(): Stall | undefined {
    const atMs = machineMs()
    return atMs - this.#tickAtMs - (cpuMs() - this.#tickCpuMs) < leastMs ? undefined : [this.#tickAtMs, atMs]
  }
}

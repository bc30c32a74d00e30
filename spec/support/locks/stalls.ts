/** When this process did not get a processor: then nothing in it happens, and no timer tells that a time is over. */

import { cpuMs, machineMs } from '../clock/machine.ts'
import type { Stall } from './holders.ts'

const tickMs = 10
/** What is shorter may be anything. */
const leastMs = 50

/** One that comes soon behind another is the same: what runs in between is not enough to notice that a time is over. */
export function joined(last: Stall | undefined, next: Stall): Stall {
  return last !== undefined && next[0] - last[1] < leastMs ? [last[0], next[1]] : next
}

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
    const present = this.#present()
    return present === undefined ? this.#last : joined(this.#last, present)
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

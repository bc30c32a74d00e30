/**
 * Starts the processes of the memory specs and talks to them: the victim, hostile peers, honest peers.
 *
 * All that they open dies with them, and with this process.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Limits } from '../../../lib/index.ts'
import { paced } from '../clock/pace.ts'
import { childEnvironment, sourceArgs } from '../process/child.ts'
import { until } from '../until.ts'
import type { FromAttacker, FromVictim, Held, HonestResult, ToAttacker, ToHonest, ToVictim } from './messages.ts'

const execArgv = [...sourceArgs, '--expose-gc']
const startMs = 60_000

class Child {
  readonly process: ChildProcess

  constructor(script: string) {
    const path = fileURLToPath(new URL(script, import.meta.url))
    this.process = fork(path, { execArgv, env: childEnvironment() })
  }

  async ask(message: object): Promise<unknown> {
    const over = new AbortController()
    const timer = setTimeout(() => over.abort(new Error('the process does not answer')), paced(startMs))
    const onExit = (code: number | null) => over.abort(new Error(`the process ended with ${code}`))
    this.process.once('exit', onExit)
    try {
      const answered = once(this.process, 'message', { signal: over.signal })
      this.process.send(message)
      const [answer] = await answered
      return answer
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error
    } finally {
      clearTimeout(timer)
      this.process.off('exit', onExit)
    }
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const gone = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await gone
  }
}

export class Victim {
  readonly url: string
  /** Names that hostile peers may take, and honest ones. */
  readonly attackers: readonly string[]
  readonly honest: readonly string[]
  readonly #child: Child

  private constructor(child: Child, started: Extract<FromVictim, { is: 'started' }>) {
    this.#child = child
    this.url = started.url
    this.attackers = started.attackers
    this.honest = started.honest
  }

  static async start(limits: Limits, attackers: number, honest = 0): Promise<Victim> {
    const child = new Child('./victim.ts')
    const start: ToVictim = { is: 'start', attackers, honest, limits }
    return new Victim(child, (await child.ask(start)) as Extract<FromVictim, { is: 'started' }>)
  }

  async measure(): Promise<Held> {
    const message: ToVictim = { is: 'measure' }
    return (await this.#child.ask(message)) as Held
  }

  async call(count: number): Promise<void> {
    const message: ToVictim = { is: 'call', count }
    await this.#child.ask(message)
  }

  /** Resolves with what it holds once nothing more arrives. */
  async settled(): Promise<Held> {
    for (let before = await this.measure(); ; ) {
      await delay(100)
      const now = await this.measure()
      if (now.bytesIn === before.bytesIn) return now
      before = now
    }
  }

  /** Resolves with what it holds once it has so many sessions. */
  async rested(sessions: number): Promise<Held> {
    let held = await this.measure()
    const isResting = async () => {
      held = await this.measure()
      return held.sessions === sessions && held.runningHandlers === 0
    }
    await until(isResting, `the victim has ${sessions} sessions and no calls`, startMs)
    return held
  }

  stop(): Promise<void> {
    return this.#child.kill()
  }
}

/** A process of hostile peers that attack in one way, or each in another. */
export class Attack {
  readonly #child = new Child('./attacker.ts')

  /** Resolves when all that can be sent is sent. */
  async start(attack: ToAttacker): Promise<void> {
    const answer = (await this.#child.ask(attack)) as FromAttacker
    if (answer.is === 'failed') throw new Error(answer.text)
  }

  stop(): Promise<void> {
    return this.#child.kill()
  }
}

/** A process of honest peers. */
export class Honest {
  readonly #child = new Child('./honest.ts')

  async run(message: ToHonest): Promise<HonestResult> {
    return (await this.#child.ask(message)) as HonestResult
  }

  stop(): Promise<void> {
    return this.#child.kill()
  }
}

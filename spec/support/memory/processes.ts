/**
 * The processes of the memory specs: the victim, hostile peers, honest peers; and what they know of each other.
 *
 * All that they open dies with them, and with this process.
 */

import assert from 'node:assert/strict'
import type { Limits } from '../../../lib/index.ts'
import { nameThat } from '../grid/manager.ts'
import { Child } from '../process/child.ts'
import { until } from '../until.ts'
import type { AttackerReport, AttackerWords } from './attacker.ts'
import type { HonestWords } from './honest.ts'
import type { Held, VictimInit, VictimWords } from './victim.ts'

/** In the order in which the victim registers them: their indexes. */
export const victimHandlers = ['echo', 'hold', 'upload', 'download'] as const
export const victimName = 'http://victim.test:9000'
/** Requests and responses that wait at the victim's handlers, and at those of the attacker. */
export const capacity = 16
/** Bytes of each response of `download`. */
export const downloadBytes = 64 * 1024

/** What the attackers are told: each of `hosts` attacks the victim in this way, or with `mixed` each in another. */
export interface Order {
  readonly url: string
  readonly hosts: readonly string[]
  readonly shape: ShapeName | 'mixed' | 'none'
  readonly limits: Limits
}

export const shapeNames = [
  ...(['payloads', 'windows', 'beyond', 'padded', 'fragments', 'crumbs'] as const),
  ...(['unread', 'answers', 'table', 'slowly', 'floods', 'flapping'] as const)
]
export type ShapeName = (typeof shapeNames)[number]

const execArgv = ['--expose-gc']
const restMs = 60_000
const fileOf = (name: string) => new URL(`./${name}.ts`, import.meta.url)

export type Victim = Awaited<ReturnType<typeof startVictim>>

export async function startVictim(limits: Limits, attackerCount: number, honestCount = 0) {
  const dialers = (kind: string, length: number) =>
    Array.from({ length }, (_, i) => nameThat('dials', victimName, (n) => `http://${kind}-${i}-${n}.test:9000`))
  /** Names that hostile peers may take, and honest ones. */
  const [attackers, honest] = [dialers('attacker', attackerCount), dialers('honest', honestCount)]
  const init: VictimInit = { local: victimName, hosts: [...attackers, ...honest], limits }
  const child = new Child<VictimWords>(fileOf('victim'), init, { execArgv })
  const { port } = await child.ask('listening')

  /** Resolves with what it holds once it has so many sessions. */
  async function rested(sessions: number): Promise<Held> {
    let held = await child.ask('measure')
    const isResting = async () => {
      held = await child.ask('measure')
      return held.sessions === sessions && held.runningHandlers === 0
    }
    await until(isResting, `the victim has ${sessions} sessions and no calls`, restMs)
    return held
  }
  return { child, url: `http://127.0.0.1:${port}`, attackers, honest, rested }
}

/** A process of hostile peers. */
export class Attackers {
  readonly child = new Child<AttackerWords, AttackerReport>(fileOf('attacker'), null, { execArgv })

  /** Resolves when all that can be sent is sent. */
  async attack(order: Order): Promise<void> {
    await this.child.ask('attack', order)
    this.assertNoFault()
  }

  /** The victim has not said that a rule was broken where none was meant to be. */
  assertNoFault(): void {
    assert.deepEqual(this.child.reports, [])
  }
}

/** A process of honest peers. */
export function startHonest(): Child<HonestWords> {
  return new Child(fileOf('honest'), null, { execArgv })
}

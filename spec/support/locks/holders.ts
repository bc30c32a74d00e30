/**
 * The log that every holder of a lock writes to, and who was inside beside whom by it.
 *
 * One file, to which all processes append whole lines: their order in it is the order in which they were written.
 * A holder writes when it is inside already and while it is inside still, so what overlaps in the log did overlap.
 */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** What a line says; a process that is `gone` holds nothing any more. */
export type Line =
  | {
      readonly what: 'enter'
      readonly process: string
      readonly id: number
      readonly kind: string
      readonly names: string[]
    }
  | { readonly what: 'exit'; readonly process: string; readonly id: number }
  | { readonly what: 'gone'; readonly process: string }

export class HolderLog {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

export interface Verdict {
  readonly writes: number
  readonly reads: number
  /** Readers that had other readers beside them: the lock is no plain mutex. */
  readonly shared: number
  /** Times that somebody came in who must not have: in words, the first few. */
  readonly violations: readonly string[]
}

interface Hold {
  readonly process: string
  readonly kind: string
}

const maxViolations = 20

/** Plays the log back. */
export function judge(path: string): Verdict {
  const inside = new Map<string, Map<string, Hold>>()
  const verdict = { writes: 0, reads: 0, shared: 0, violations: [] as string[] }
  const leave = (isOver: (key: string, hold: Hold) => boolean) => {
    for (const holds of inside.values()) {
      for (const [key, hold] of holds) if (isOver(key, hold)) holds.delete(key)
    }
  }
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text === '') continue
    const line: Line = JSON.parse(text)
    if (line.what === 'gone') leave((_key, hold) => hold.process === line.process)
    else if (line.what === 'exit') leave((key) => key === `${line.process} ${line.id}`)
    else {
      verdict[line.kind === 'write' ? 'writes' : 'reads']++
      let isShared = false
      for (const name of line.names) {
        const holds = inside.get(name) ?? new Map<string, Hold>()
        inside.set(name, holds)
        for (const [key, hold] of holds) {
          if (line.kind === 'read' && hold.kind === 'read') isShared = true
          else if (verdict.violations.length < maxViolations)
            verdict.violations.push(`${text} beside ${hold.kind} ${key}`)
        }
        holds.set(`${line.process} ${line.id}`, { process: line.process, kind: line.kind })
      }
      if (isShared) verdict.shared++
    }
  }
  return verdict
}

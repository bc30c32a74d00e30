/**
 * Who is inside a lock beside whom, as it happens or by the log that every holder of it writes to.
 *
 * The log is one file, to which all processes append whole lines, each with its time by the clock of the machine. A holder writes when it
 * is inside already and while it is inside still, so what overlaps in it did overlap.
 */

import { appendLine, wholeLines } from '../process/log.ts'

/** From when to when a process did not get a processor, by the clock of its machine. */
export type Stall = readonly [fromMs: number, toMs: number]

interface Hold {
  readonly process: string
  readonly id: number
  /** When it was written, by the clock of its machine. */
  readonly atMs: number
  /** The last time that its process stood still, which may go on. */
  readonly stall?: Stall | undefined
}

/** What a line says; a process that is `gone` holds nothing any more. */
export type Line =
  | ({
      readonly what: 'enter'
      readonly kind: string
      readonly names: readonly string[]
      readonly token: number
    } & Hold)
  | ({ readonly what: 'exit' } & Hold)
  | { readonly what: 'gone'; readonly process: string; readonly atMs: number }

export function writeLine(path: string, line: Line): void {
  appendLine(path, JSON.stringify(line))
}

const maxViolations = 20

export class Inside {
  writes = 0
  reads = 0
  /** Readers that had other readers beside them: the lock is no plain mutex. */
  shared = 0
  /** Those that are left out, as they came in amid a stall of their process. */
  stalled = 0
  /** Times that somebody came in who must not have: in words, the first few. */
  readonly violations: string[] = []
  readonly #kinds = new Map<string, Map<string, string>>()
  /** By resource: the highest token of a writer, and of anybody. */
  readonly #tokens = new Map<string, { write: number; any: number }>()

  enter(who: string, kind: string, names: readonly string[], token: number, when = ''): void {
    this[kind === 'write' ? 'writes' : 'reads']++
    let isShared = false
    for (const name of names) {
      this.#compare(name, kind, token, `${kind} of ${name} by ${who}`, when)
      const kinds = this.#kinds.get(name) ?? new Map<string, string>()
      this.#kinds.set(name, kinds)
      for (const [other, otherKind] of kinds) {
        if (kind === 'read' && otherKind === 'read') isShared = true
        else this.#tell(`${kind} of ${name} by ${who} beside ${otherKind} by ${other}${when}`)
      }
      kinds.set(who, kind)
    }
    if (isShared) this.shared++
  }

  /** A writer's token is higher than all before, a reader's than all of writers before. */
  #compare(name: string, kind: string, token: number, what: string, when: string): void {
    const highest = this.#tokens.get(name) ?? { write: 0, any: 0 }
    this.#tokens.set(name, highest)
    const before = kind === 'write' ? highest.any : highest.write
    if (!(token > before)) this.#tell(`${what} with token ${token} after ${before}${when}`)
    highest.any = Math.max(highest.any, token)
    if (kind === 'write') highest.write = Math.max(highest.write, token)
  }

  #tell(text: string): void {
    if (this.violations.length < maxViolations) this.violations.push(text)
  }

  leave(isOver: (who: string) => boolean): void {
    for (const kinds of this.#kinds.values()) for (const who of kinds.keys()) if (isOver(who)) kinds.delete(who)
  }
}

/**
 * Plays the log back, by its times: a line may be long on its way to the file. A holder whose process stands still does nothing, and
 * cannot learn either that its time is over: it is inside again when it runs, if it is then.
 */
export function judge(log: string): Inside {
  const lines = wholeLines(log).map((text): Line => JSON.parse(text))
  lines.sort((a, b) => a.atMs - b.atMs)
  const ends = new Map(lines.flatMap((line) => (line.what === 'exit' ? [[nameOf(line), line.stall]] : [])))
  const inside = new Inside()
  for (const line of lines) {
    if (line.what === 'exit') inside.leave((who) => who === nameOf(line))
    else if (line.what === 'gone') inside.leave((who) => who.startsWith(`${line.process} `))
    else if (isWithin(line.atMs, line.stall)) inside.stalled++
    else {
      inside.leave((who) => isWithin(line.atMs, ends.get(who)))
      inside.enter(nameOf(line), line.kind, line.names, line.token)
    }
  }
  return inside
}

function nameOf({ process, id }: Hold): string {
  return `${process} ${id}`
}

function isWithin(atMs: number, stall: Stall | undefined): boolean {
  return stall !== undefined && stall[0] <= atMs && atMs <= stall[1]
}

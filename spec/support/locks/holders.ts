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
    for (const name of names) this.#compare(name, kind, token, `${kind} of ${name} by ${who}`, when)
    this.goOn(who, kind, names, when)
  }

  /** One that was inside before, and was left out: its token is compared already. */
  goOn(who: string, kind: string, names: readonly string[], when = ''): void {
    let isShared = false
    for (const name of names) {
      const kinds = this.#kinds.get(name) ?? new Map<string, string>()
      this.#kinds.set(name, kinds)
      if (kinds.has(who)) continue
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

/** By then a holder has noticed that its time is over, from when its process runs again: a tenth of what a grant lasts at least. */
export const noticeMs = 100

type Enter = Line & { readonly what: 'enter' }
type Step = Line | { readonly what: 'goOn'; readonly enter: Enter; readonly atMs: number }

/**
 * Plays the log back, by its times: a line may be long on its way to the file. A holder whose process stands still does nothing, and
 * cannot learn either that its time is over: it is inside again some time after it runs, if it is then.
 */
export function judge(log: string): Inside {
  const lines = wholeLines(log).map((text): Line => JSON.parse(text))
  const exits = new Map(lines.flatMap((line) => (line.what === 'exit' ? [[nameOf(line), line]] : [])))
  const gone = new Map(lines.flatMap((line) => (line.what === 'gone' ? [[line.process, line.atMs]] : [])))
  const steps: Step[] = lines.flatMap((line) => (line.what === 'enter' ? [line, ...goingOn(line)] : [line]))
  steps.sort((a, b) => a.atMs - b.atMs)
  const inside = new Inside()
  for (const step of steps) {
    if (step.what === 'exit') inside.leave((who) => who === nameOf(step))
    else if (step.what === 'gone') inside.leave((who) => who.startsWith(`${step.process} `))
    else if (step.what === 'goOn') inside.goOn(nameOf(step.enter), step.enter.kind, step.enter.names)
    else if (isWithin(step.atMs, step.stall)) inside.stalled++
    else {
      inside.leave((who) => isWithin(step.atMs, exits.get(who)?.stall))
      inside.enter(nameOf(step), step.kind, step.names, step.token)
    }
  }
  return inside

  /** When it is inside still, behind the stalls that it is left out for. */
  function goingOn(enter: Enter): Step[] {
    const exit = exits.get(nameOf(enter))
    const endMs = exit?.atMs ?? gone.get(enter.process) ?? Number.POSITIVE_INFINITY
    return [enter.stall, exit?.stall]
      .filter((stall) => stall !== undefined)
      .filter(([, toMs]) => enter.atMs <= toMs)
      .map(([, toMs]): Step => ({ what: 'goOn', enter, atMs: toMs + noticeMs }))
      .filter(({ atMs }) => atMs < endMs && !isWithin(atMs, exit?.stall))
  }
}

function nameOf({ process, id }: Hold): string {
  return `${process} ${id}`
}

function isWithin(atMs: number, stall: Stall | undefined): boolean {
  return stall !== undefined && stall[0] <= atMs && atMs <= stall[1]
}

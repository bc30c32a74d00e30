/**
 * Timers that handlers have started: they keep running when their call is over, and fire into the next test.
 *
 * While it is installed it stands around the global timers, real or fake, and notes those of code that runs within `run`.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { type Place, placeNow } from './place.ts'

type Fn = (...args: unknown[]) => unknown

const names = ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] as const
type Globals = Record<(typeof names)[number], Fn>

/** Whose code runs: the owner is what the timers are told apart by. */
const context = new AsyncLocalStorage<{ readonly timers: Timers; readonly owner: object }>()
const all = new Set<Timers>()
/** Those of Node, or of fake timers, behind each of ours: a runner may put ours back when no grid is open any more. */
const originals = new WeakMap<Fn, Fn>()

export class Timers implements Disposable {
  readonly #running = new Map<unknown, { readonly what: string; readonly owner: object; readonly made: Place }>()

  constructor() {
    if (all.size === 0) install()
    all.add(this)
  }

  [Symbol.dispose](): void {
    if (all.delete(this) && all.size === 0) uninstall()
  }

  /** What `fn` starts, also later, is noted as that of `owner`. */
  run<T>(owner: object, fn: () => T): T {
    return context.run({ timers: this, owner }, fn)
  }

  /** Those that will fire yet, of owners that count; not those of it-grid. */
  describe(counts: (owner: object) => boolean): string[] {
    const left = [...this.#running].filter(
      ([timer, { owner, made }]) => counts(owner) && !isDestroyed(timer) && !made.isOurs
    )
    return left.map(([, { what, made }]) => `a timer of ${what} that a handler has started${made.text}`)
  }

  /** @internal */
  add(timer: unknown, what: string, owner: object): void {
    const noted = { what, owner, made: placeNow() }
    this.#running.set(timer, noted)
    const refreshable = timer as { refresh?: Fn } | null
    const { refresh } = refreshable ?? {}
    if (typeof refresh !== 'function') return
    Object.assign(refreshable as object, {
      refresh: () => {
        this.#running.set(timer, noted)
        return refresh.call(timer)
      }
    })
  }

  /** By its number, too. @internal */
  delete(timer: unknown): void {
    if (this.#running.delete(timer) || (typeof timer !== 'number' && typeof timer !== 'string')) return
    for (const each of this.#running.keys()) if (Number(each) === Number(timer)) this.#running.delete(each)
  }
}

function install(): void {
  const globals = globalThis as unknown as Globals
  for (const name of names) {
    const original = originals.get(globals[name]) ?? globals[name]
    const ours = name.startsWith('set') ? starting(original, name) : clearing(original)
    originals.set(ours, original)
    globals[name] = ours
  }
}

/** What others have put in its place since then stays. */
function uninstall(): void {
  const globals = globalThis as unknown as Globals
  for (const name of names) globals[name] = originals.get(globals[name]) ?? globals[name]
}

function starting(original: Fn, name: string): Fn {
  return like(original, (callback, ms, ...args) => {
    const running = context.getStore()
    if (running === undefined || typeof callback !== 'function') return original(callback, ms, ...args)
    const { timers, owner } = running
    const fire: Fn = (...given) => {
      if (name === 'setTimeout') timers.delete(timer)
      // Fake timers fire in the context of who moves them.
      return context.run(running, () => callback(...given))
    }
    const timer = original(fire, ms, ...args)
    timers.add(timer, `${name}(${String(ms)})`, owner)
    return timer
  })
}

function clearing(original: Fn): Fn {
  return like(original, (timer) => {
    for (const timers of all) timers.delete(timer)
    return original(timer)
  })
}

/** With what else is on it: `util.promisify` and fake timers look at that. */
function like(original: Fn, fn: Fn): Fn {
  return Object.defineProperties(fn, Object.getOwnPropertyDescriptors(original))
}

/** `close()` of a timer of Node. */
function isDestroyed(timer: unknown): boolean {
  return (timer as { readonly _destroyed?: boolean } | undefined)?._destroyed === true
}

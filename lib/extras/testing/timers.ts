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
const ownerOf = new WeakMap<object, Timers>()
let users = 0
let replaced: { readonly before: Globals; readonly ours: Globals } | undefined

export class Timers implements Disposable {
  readonly #running = new Map<unknown, { readonly what: string; readonly owner: object; readonly made: Place }>()

  constructor() {
    if (users++ === 0) install()
  }

  [Symbol.dispose](): void {
    if (--users === 0) uninstall()
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
    this.#running.set(timer, { what, owner, made: placeNow() })
    if (typeof timer === 'object' && timer !== null) ownerOf.set(timer, this)
  }

  /** @internal */
  delete(timer: unknown): void {
    this.#running.delete(timer)
  }
}

function install(): void {
  const globals = globalThis as unknown as Globals
  const before = Object.fromEntries(names.map((name) => [name, globals[name]])) as Globals
  const ours = {
    setTimeout: starting(before.setTimeout, 'setTimeout'),
    setInterval: starting(before.setInterval, 'setInterval'),
    clearTimeout: clearing(before.clearTimeout),
    clearInterval: clearing(before.clearInterval)
  }
  replaced = { before, ours }
  Object.assign(globals, ours)
}

/** What others have put in its place since then stays. */
function uninstall(): void {
  const globals = globalThis as unknown as Globals
  for (const name of names) {
    if (replaced !== undefined && globals[name] === replaced.ours[name]) globals[name] = replaced.before[name]
  }
  replaced = undefined
}

function starting(original: Fn, name: string): Fn {
  return like(original, (callback, ms, ...args) => {
    const running = context.getStore()
    if (running === undefined) return original(callback, ms, ...args)
    const { timers, owner } = running
    const fire: Fn = (...given) => {
      if (name === 'setTimeout') timers.delete(timer)
      return (callback as Fn)(...given)
    }
    const timer = original(typeof callback === 'function' ? fire : callback, ms, ...args)
    timers.add(timer, `${name}(${String(ms)})`, owner)
    return timer
  })
}

function clearing(original: Fn): Fn {
  return like(original, (timer) => {
    const owner = typeof timer === 'object' && timer !== null ? ownerOf.get(timer) : context.getStore()?.timers
    owner?.delete(timer)
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

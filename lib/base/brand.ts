/**
 * Tells the class of an object by a brand that all copies of the package in a program share, in place of `instanceof`.
 *
 * The brand has the name of the class: a bundler may change that of the function.
 */

type Class<T> = abstract new (...args: never[]) => T

const toKey = (name: string) => Symbol.for(`it-grid.${name}`)
const keys = new WeakMap<object, symbol>()

/** Brands each class, and with it those that extend it. */
export function brand(classes: Readonly<Record<string, Class<unknown>>>): void {
  for (const [name, { prototype }] of Object.entries(classes)) {
    keys.set(prototype, toKey(name))
    Object.defineProperty(prototype, toKey(name), { value: true })
  }
}

/** For `static readonly is` of a class. One that has no brand, as a class of the user's, is told by `instanceof` after all. */
export function isOfClass<T>(this: Class<T>, value: unknown): value is T {
  const key = keys.get(this.prototype)
  try {
    if (key === undefined) return value instanceof this
    return typeof value === 'object' && value !== null && Reflect.get(value, key) === true
  } catch {
    // A proxy may refuse to be looked at.
    return false
  }
}

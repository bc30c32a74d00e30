/**
 * A set and a map that hold no table before their first entry: at a connection at rest most are empty for ever, and an empty
 * one of the language takes some 180 B.
 */

const nothing: ReadonlySet<never> = new Set()
const nowhere: ReadonlyMap<never, never> = new Map<never, never>()

export class RareSet<T> implements Iterable<T> {
  #set: Set<T> | undefined

  get size(): number {
    return this.#set?.size ?? 0
  }

  has(value: T): boolean {
    return this.#set?.has(value) === true
  }

  add(value: T): void {
    this.#set ??= new Set()
    this.#set.add(value)
  }

  delete(value: T): boolean {
    return this.#set?.delete(value) === true
  }

  clear(): void {
    this.#set = undefined
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#set ?? nothing)[Symbol.iterator]()
  }
}

export class RareMap<K, V> implements Iterable<[K, V]> {
  #map: Map<K, V> | undefined

  get size(): number {
    return this.#map?.size ?? 0
  }

  get(key: K): V | undefined {
    return this.#map?.get(key)
  }

  set(key: K, value: V): void {
    this.#map ??= new Map()
    this.#map.set(key, value)
  }

  delete(key: K): boolean {
    return this.#map?.delete(key) === true
  }

  clear(): void {
    this.#map = undefined
  }

  keys(): Iterable<K> {
    return (this.#map ?? nowhere).keys()
  }

  values(): Iterable<V> {
    return (this.#map ?? nowhere).values()
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.#map ?? nowhere)[Symbol.iterator]()
  }
}

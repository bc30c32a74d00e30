/** A first-in first-out queue. Unlike `Array.shift`, taking an item does not move the others. Holds no array before its first item. */

/** The front of the array is dropped once this many items were taken and they are at least half of it. */
const compactAt = 64
/** An array that grew beyond this is released when it is empty. */
const maxIdleSlots = 128

export class Fifo<T> {
  // The array keeps its length: setting `length` leaves optimised code and costs more than everything else here.
  #items: (T | undefined)[] | undefined
  #head = 0
  #tail = 0

  get length(): number {
    return this.#tail - this.#head
  }

  push(item: T): void {
    // Most queues hold one item at a time. An empty array would grow to 17 places at once.
    this.#items ??= [undefined, undefined]
    this.#items[this.#tail++] = item
  }

  shift(): T | undefined {
    const items = this.#items
    if (items === undefined || this.#head === this.#tail) return undefined
    const item = items[this.#head]
    items[this.#head++] = undefined
    if (this.#head === this.#tail) {
      if (items.length > maxIdleSlots) this.#items = undefined
      this.#head = this.#tail = 0
    } else if (this.#head >= compactAt && this.#head * 2 >= this.#tail) {
      items.copyWithin(0, this.#head, this.#tail)
      items.fill(undefined, this.#tail - this.#head, this.#tail)
      this.#tail -= this.#head
      this.#head = 0
    }
    return item
  }

  /** The item that `shift` would return. */
  peek(): T | undefined {
    return this.#items?.[this.#head]
  }

  clear(): void {
    this.#items = undefined
    this.#head = this.#tail = 0
  }
}

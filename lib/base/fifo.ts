/** A first-in first-out queue. Unlike `Array.shift`, taking an item does not move the others. */

/** The front of the array is dropped once this many items were taken and they are at least half of it. */
const compactAt = 64
/** An array that grew beyond this is released when it is empty. */
const maxIdleSlots = 128

export class Fifo<T> {
  // The array keeps its length: setting `length` leaves optimised code and costs more than everything else here.
  #items: (T | undefined)[] = []
  #head = 0
  #tail = 0

  get length(): number {
    return this.#tail - this.#head
  }

  push(item: T): void {
    this.#items[this.#tail++] = item
  }

  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#tail) this.#reset()
    else if (this.#head >= compactAt && this.#head * 2 >= this.#tail) this.#compact()
    return item
  }

  /** The item that `shift` would return. */
  peek(): T | undefined {
    return this.#items[this.#head]
  }

  clear(): void {
    this.#items = []
    this.#head = this.#tail = 0
  }

  #reset(): void {
    if (this.#items.length > maxIdleSlots) this.#items = []
    this.#head = this.#tail = 0
  }

  #compact(): void {
    this.#items.copyWithin(0, this.#head, this.#tail)
    this.#items.fill(undefined, this.#tail - this.#head, this.#tail)
    this.#tail -= this.#head
    this.#head = 0
  }
}

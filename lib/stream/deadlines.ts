/**
 * All deadlines of one session, with a single timer.
 *
 * Calls with the same timeout expire in the order in which they were made, and nearly all calls have the same timeout. So
 * there is a linked list for each timeout, and a binary heap of the lists by what expires first. What has arrived before a
 * deadline is read before the deadline counts. Does not know what a deadline ends. Times are of `performance.now()`, in ms.
 */

import { RareMap } from '../base/rare.ts'
import { maxTimeoutMs } from '../errors/options.ts'
import { decideInTime } from '../time/after-reading.ts'

/** Something with a deadline. Only the queue writes these fields. */
export interface Timed {
  deadlineMs: number
  deadlines: DeadlineList | undefined
  timedBefore: Timed | undefined
  timedAfter: Timed | undefined
  /** @param timeoutMs after which it expired */
  onDeadline(timeoutMs: number): void
}

/** Time until an entry expires, at least 1 ms, since 0 means no deadline. */
export function remainingMs({ deadlineMs }: Timed): number {
  return Math.max(1, deadlineMs - performance.now())
}

/** The entries with one timeout, in the order in which they expire. */
export interface DeadlineList {
  readonly timeoutMs: number
  first: Timed | undefined
  last: Timed | undefined
  /** No entry expires before this. It may be too early, since entries that leave do not update it. */
  dueMs: number
  heapIndex: number
}

/** Empty lists are kept for the next call, but only so many: peers choose the timeouts. */
const maxIdleLists = 16

export class DeadlineQueue {
  readonly #decide: (dueMs: number, decide: () => void) => void
  readonly #lists = new RareMap<number, DeadlineList>()
  readonly #heap: DeadlineList[] = []
  /** The list that an entry was added to last: that of the next one, nearly always. */
  #added: DeadlineList | undefined
  #size = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires; Infinity without one, -Infinity while what has arrived is read. It may fire for nothing after its entry left: cheaper than setting it again. */
  #timerAtMs = Number.POSITIVE_INFINITY

  /** @param decide as `decideInTime`, which reads what has arrived if the timer was late */
  constructor(decide: (dueMs: number, decide: () => void) => void = decideInTime) {
    this.#decide = decide
  }

  get size(): number {
    return this.#size
  }

  /** `entry` expires `timeoutMs` after `nowMs`. */
  add(entry: Timed, timeoutMs: number, nowMs = performance.now()): void {
    // Whole ms, which V8 keeps in the entry itself: a fraction would cost each call an object.
    const wholeMs = Math.ceil(nowMs + timeoutMs)
    // What is left of a longer time is a fraction: each would have a list of its own.
    const wholeTimeoutMs = Math.ceil(timeoutMs)
    const list = this.#added?.timeoutMs === wholeTimeoutMs ? this.#added : this.#listOf(wholeTimeoutMs, wholeMs)
    const { last } = list
    // `nowMs` may be older than that of the last entry: the order of the list counts.
    const dueMs = last === undefined ? wholeMs : Math.max(wholeMs, last.deadlineMs)
    entry.deadlineMs = dueMs
    if (dueMs < list.dueMs) this.#advance(list, dueMs)
    entry.deadlines = list
    entry.timedBefore = last
    if (last === undefined) list.first = entry
    else last.timedAfter = entry
    list.last = entry
    this.#size++
    if (dueMs < this.#timerAtMs) this.#arm(dueMs)
  }

  /** Does nothing when the entry is not in the queue. */
  remove(entry: Timed): void {
    const { deadlines: list, timedBefore: before, timedAfter: after } = entry
    if (list === undefined) return
    if (before === undefined) list.first = after
    else before.timedAfter = after
    if (after === undefined) list.last = before
    else after.timedBefore = before
    entry.deadlines = entry.timedBefore = entry.timedAfter = undefined
    this.#size--
    if (list.first === undefined && this.#heap.length > maxIdleLists) this.#forget(list)
  }

  /** Removes all entries and the timer. */
  clear(): void {
    for (const list of [...this.#heap]) while (list.first !== undefined) this.remove(list.first)
    this.#heap.length = 0
    this.#lists.clear()
    this.#added = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAtMs = Number.POSITIVE_INFINITY
  }

  #listOf(timeoutMs: number, dueMs: number): DeadlineList {
    this.#added = this.#lists.get(timeoutMs) ?? this.#createList(timeoutMs, dueMs)
    return this.#added
  }

  #advance(list: DeadlineList, dueMs: number): void {
    list.dueMs = dueMs
    this.#rise(list)
  }

  #createList(timeoutMs: number, dueMs: number): DeadlineList {
    const list = { timeoutMs, first: undefined, last: undefined, dueMs, heapIndex: this.#heap.length }
    this.#lists.set(timeoutMs, list)
    this.#heap.push(list)
    this.#rise(list)
    return list
  }

  #forget(list: DeadlineList): void {
    if (list === this.#added) this.#added = undefined
    this.#lists.delete(list.timeoutMs)
    const last = this.#heap.pop() as DeadlineList
    if (last === list) return
    this.#place(last, list.heapIndex)
    this.#rise(last)
    this.#sink(last)
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    const delayMs = Math.max(1, Math.ceil(atMs - performance.now()))
    // A peer may send any deadline, and Node fires a timer that is too long at once, again and again.
    this.#timer = setTimeout(() => this.#fire(), Math.min(delayMs, maxTimeoutMs))
  }

  #fire(): void {
    const dueMs = this.#timerAtMs
    this.#timer = undefined
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = performance.now()
    if (this.#due(now) === undefined) return this.#armNext()
    // Until then no other timer is needed: what falls due meanwhile is found when the timer is set again.
    this.#timerAtMs = Number.NEGATIVE_INFINITY
    this.#decide(dueMs, () => this.#expire(now))
  }

  #expire(now: number): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    try {
      for (let entry = this.#due(now); entry !== undefined; entry = this.#due(now)) {
        const timeoutMs = entry.deadlines?.timeoutMs ?? 0
        this.remove(entry)
        entry.onDeadline(timeoutMs)
      }
    } finally {
      this.#armNext()
    }
  }

  #armNext(): void {
    const next = this.#heap[0]
    if (this.#size > 0 && next !== undefined && next.dueMs < this.#timerAtMs) this.#arm(next.dueMs)
  }

  /** The first entry whose deadline has passed. Updates the lists on the way. */
  #due(now: number): Timed | undefined {
    for (let list = this.#heap[0]; list !== undefined && list.dueMs <= now; list = this.#heap[0]) {
      const { first } = list
      if (first === undefined) {
        this.#forget(list)
      } else if (first.deadlineMs > now) {
        list.dueMs = first.deadlineMs
        this.#sink(list)
      } else {
        return first
      }
    }
    return undefined
  }

  #place(list: DeadlineList, index: number): void {
    this.#heap[index] = list
    list.heapIndex = index
  }

  #rise(list: DeadlineList): void {
    while (list.heapIndex > 0) {
      const index = list.heapIndex
      const parent = this.#heap[(index - 1) >> 1] as DeadlineList
      if (parent.dueMs <= list.dueMs) return
      this.#place(parent, index)
      this.#place(list, (index - 1) >> 1)
    }
  }

  #sink(list: DeadlineList): void {
    for (;;) {
      const index = list.heapIndex
      const left = this.#heap[2 * index + 1]
      if (left === undefined) return
      const right = this.#heap[2 * index + 2]
      const child = right !== undefined && right.dueMs < left.dueMs ? right : left
      if (child.dueMs >= list.dueMs) return
      const childIndex = child.heapIndex
      this.#place(child, index)
      this.#place(list, childIndex)
    }
  }
}

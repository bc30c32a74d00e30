/**
 * The handlers of each server of the demo, written as in any program that uses the library.
 *
 * The only addition is that they write a journal, so that the demo can tell what really happened in this process.
 */

import { EventEmitter, once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { GridError, type Manager } from '../../lib/index.ts'
import { add, count, type Entry, haveReadLock, introduce, job, walk } from './definitions.ts'
import { journal } from './ipc.ts'

/** What the handlers of this process counted, and what lets its jobs end. */
export class Workshop {
  /** How far the last counting generator got, in the process that runs it. */
  numbersMade = 0
  /** Emits the id of each job that may end. */
  readonly releases = new EventEmitter()
  /** Servers that have said that they have the read lock. */
  readonly readers = new Set<string>()
}

export interface HandlerInit {
  readonly name: string
  /** The folder that serves as the disk of this server. */
  readonly disk: string
  readonly workshop: Workshop
  /** Makes `count` misbehave: see `allNumbers`. */
  readonly eager: boolean
}

export function offerHandlers(grid: Manager, { name, disk, workshop, eager }: HandlerInit): void {
  grid.handle(introduce, ({ asker }) => ({ name, pid: process.pid, greeting: `hello ${asker}, this is ${name}` }))

  grid.handle(job, async ({ id }, { signal }) => {
    signal.addEventListener('abort', () => journal('job aborted', id, codeOf(signal.reason)))
    journal('job started', id)
    await once(workshop.releases, id, { signal })
    return { doneBy: name, pid: process.pid }
  })

  grid.handle(haveReadLock, ({ reader }) => {
    workshop.readers.add(reader)
  })

  grid.handle(walk, ({ folder }) => entriesUnder(disk, join(disk, folder)))

  grid.handle(count, ({ upTo }) => (eager ? allNumbers(workshop, upTo) : numbersOnDemand(workshop, upTo)))

  grid.handle(add, async function* (_payload, numbers) {
    let [total, seen] = [0, 0]
    for await (const number of numbers) {
      total += number
      seen += 1
      yield `total ${total}`
    }
    yield `you sent ${seen} numbers, their total is ${total}`
  })
}

async function* entriesUnder(disk: string, folder: string): AsyncGenerator<Entry> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* entriesUnder(disk, path)
    else yield { path: relative(disk, path), bytes: (await stat(path)).size }
  }
}

/** An ordinary generator: it continues after its `yield` only when the window of the remote consumer has room. */
function* numbersOnDemand(workshop: Workshop, upTo: number): Generator<number> {
  try {
    for (let number = 1; number <= upTo; number++) {
      workshop.numbersMade = number
      yield number
    }
  } finally {
    journal('generator ended', 'count')
  }
}

/** The sabotage: makes all numbers at once, whether they are taken or not. */
function allNumbers(workshop: Workshop, upTo: number): number[] {
  const numbers = Array.from({ length: upTo }, (_, index) => index + 1)
  workshop.numbersMade = numbers.length
  return numbers
}

/** Why a call was aborted, as the stable code that each error of the library has. */
function codeOf(reason: unknown): string {
  return reason instanceof GridError ? reason.code : String(reason)
}

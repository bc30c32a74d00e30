/** Opens many things between two ends, holds them, ends them; and tells the time, the memory and what is left. */

import { held, type Memory, memoryNow, mib, perThing } from '../harness/memory.ts'
import { number, table } from '../harness/table.ts'
import { countsOf } from './grid.ts'
import { assertIdle, type Ends, type Things } from './near.ts'

interface BothMemories {
  readonly near: Memory
  readonly far: Memory
}

export type Stages = readonly [before: BothMemories, during: BothMemories, after: BothMemories]

async function memoryOf({ far }: Ends): Promise<BothMemories> {
  return { near: await memoryNow(), far: await far.ask('memory') }
}

/** So many of them before, so that code and tables are there and only the things are counted. When all have ended nothing may be left. */
export async function hold<Opened>(ends: Ends, { open, end }: Things<Opened>, warmUpCount: number, count: number) {
  await end(ends, await open(ends, warmUpCount))
  await assertIdle(ends)
  const before = await memoryOf(ends)
  const startMs = performance.now()
  const opened: { all?: Opened } = { all: await open(ends, count) }
  const openMs = performance.now() - startMs
  const during = await memoryOf(ends)
  const counts = { near: countsOf(ends.manager), far: await ends.far.ask('counts') }
  const endStartMs = performance.now()
  await end(ends, opened.all as Opened)
  const endMs = performance.now() - endStartMs
  await assertIdle(ends)
  delete opened.all
  const stages: Stages = [before, during, await memoryOf(ends)]
  return { openMs, endMs, counts, stages }
}

/** What each thing costs each end. */
export function costsOf([before, during]: Stages, count: number): BothMemories {
  return { near: perThing(before.near, during.near, count), far: perThing(before.far, during.far, count) }
}

export function stagesTable(heads: readonly [during: string, each: string], stages: Stages, count: number): string {
  const costs = costsOf(stages, count)
  const rows = (['near', 'far'] as const).map((end) => {
    const memories = stages.map((stage) => mib(held(stage[end])))
    return [end === 'near' ? 'caller' : 'handler', ...memories, `${number(held(costs[end]))} B`]
  })
  return table(['end', 'before', heads[0], 'after', heads[1]], rows)
}

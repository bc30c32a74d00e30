/** What befalls the two ends of a schedule, beside what they do themselves. */

import { wholeBelow } from '../random.ts'
import { type End, keepAliveMs, type World } from './world.ts'

/** The steps that befall a world, by their names in the weights of a schedule. */
export function faultSteps(world: () => World) {
  const on = (fault: (world: World) => void) => () => fault(world())
  return { cut: on(cut), kill: on(kill), vanish: on(vanish), close: on(close), silence: on(silence) }
}

function cut(world: World): void {
  world.disturb('cut')
  world.network.cut(wholeBelow(world.random, 2))
}

/** The process ends, its sockets with it, and a new one starts. */
function kill(world: World): void {
  const end = anyEnd(world)
  if (end === undefined) return
  world.disturb('kill')
  world.network.cut(end.index)
  startAnew(world, end, 0)
}

/** The machine is gone, so that nothing tells the other end, and a new one starts under its name. */
function vanish(world: World): void {
  const end = anyEnd(world)
  if (end === undefined) return
  world.disturb('vanish')
  world.network.silence()
  startAnew(world, end, 0)
}

/** It shuts down gracefully, and starts again. */
function close(world: World): void {
  const end = anyEnd(world)
  if (end === undefined) return
  world.disturb('close')
  startAnew(world, end, 1 + wholeBelow(world.random, 200))
}

/** Nothing gets through for longer than a keep-alive forgives. */
function silence(world: World): void {
  if (world.isSilent) return
  world.disturb('silence')
  world.isSilent = true
  for (const pair of world.network.pairs) for (const side of [0, 1]) world.network.hold(pair, side)
  const end = world.elapse(2.5 * keepAliveMs).then(() => {
    world.isSilent = false
    world.network.releaseAll()
  })
  world.spawn(end)
}

function anyEnd(world: World): End | undefined {
  const end = world.ends[wholeBelow(world.random, 2)]
  return end?.isDown === false ? end : undefined
}

function startAnew(world: World, end: End, graceMs: number): void {
  const restart = async () => {
    await world.retire(end, graceMs)
    await world.pause()
    world.restart(end)
  }
  world.spawn(restart())
}

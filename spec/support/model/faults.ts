/** What befalls the two ends of a schedule, beside what they do themselves: the steps of that name. */

import { wholeBelow } from '../random.ts'
import { type End, keepAliveMs, type World } from './world.ts'

export const faults = {
  cut(world: World): void {
    world.disturb('cut')
    world.network.cut(wholeBelow(world.random, 2))
  },

  /** The process ends, its sockets with it. */
  kill: (world: World) => endOne(world, 'kill', ({ index }) => world.network.cut(index)),

  /** The machine is gone, so that nothing tells the other end. */
  vanish: (world: World) => endOne(world, 'vanish', () => world.network.silence()),

  /** It shuts down gracefully. */
  close: (world: World) => endOne(world, 'close'),

  /** Nothing gets through for longer than a keep-alive forgives. */
  silence(world: World): void {
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
}

/** A process is over, and a new one starts under its name. */
function endOne(world: World, fault: 'kill' | 'vanish' | 'close', befall = (_end: End) => {}): void {
  const end = world.ends[wholeBelow(world.random, 2)]
  if (end === undefined || end.isDown) return
  world.disturb(fault)
  befall(end)
  const graceMs = fault === 'close' ? 1 + wholeBelow(world.random, 200) : 0
  const restart = async () => {
    await world.retire(end, graceMs)
    await world.pause()
    world.restart(end)
  }
  world.spawn(restart())
}

/**
 * `npm run demo -- --inspect`: the grid of the demo with a little work, and its page, until it is interrupted.
 *
 * node-2 reads a stream of node-1 and stops, so that the page has a wait to show. What else goes wrong is up to you: kill one.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import type { World } from './world.ts'

const roundMs = 500

export async function inspect(world: World): Promise<never> {
  const { report, servers } = world
  await buildPage()
  await world.server('node-2').ask('startCounting', 'node-1', 1_000_000)
  await world.server('node-2').ask('takeNumbers', 5)
  report.say(
    `The page of this grid: ${world.server('node-1').host}/inspector/`,
    `Try: kill -9 ${world.server('node-3').pid} (node-3), and look at what the page says.`,
    'Ctrl-C ends it all.'
  )
  for (;;) {
    const alive = servers.filter(({ pid }) => isAlive(pid))
    const calls = alive.flatMap((server) =>
      alive.filter((peer) => peer !== server).map((peer) => server.ask('introduce', peer.name, 5))
    )
    // One that was killed just now answers no more.
    await Promise.allSettled([...calls, delay(roundMs)])
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

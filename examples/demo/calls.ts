/**
 * The acts of the demo without failures: the grid forms, requests, a pipeline, a stall, a conversation, a cancel.
 *
 * Each act makes real servers do something, then checks what happened in their processes.
 */

import { countWindow } from './definitions.ts'
import { ServerProcess } from './processes.ts'
import { isOncePerPair, type Link, singlePairs, type World } from './world.ts'

export async function formGrid(world: World): Promise<void> {
  const { report, servers } = world
  const names = ['node-1', 'node-2', 'node-3', 'node-4']
  servers.push(...(await Promise.all(names.map((name) => ServerProcess.start(name)))))
  report.say(...servers.map(({ name, host, pid }) => `${name}  ${host}  process ${pid}`))
  const startedAt = performance.now()
  await Promise.all(servers.map((server) => server.ask('join', world.plan)))
  const peers = await Promise.all(servers.map((server) => server.ask('waitForPeers')))
  const elapsed = ms(performance.now() - startedAt)
  report.check(
    'every server is connected to the three others',
    peers.every((count) => count === names.length - 1),
    `each got the list of hosts and the shared secret; all were connected after ${elapsed}`
  )
  const links = await world.linksOncePerPair()
  report.say('Which server dialed which, and how many sockets each accepted:', ...tableOf(links, names))
  report.check(
    'there is exactly one socket for each of the 6 pairs of servers',
    isOncePerPair(links, names),
    `${links.length} sockets, ${singlePairs(links, names).length} pairs with exactly one`,
    ': counted in each process by Node, not by the library'
  )
  const plans = await Promise.all(servers.map(async (server) => [server.name, await server.ask('dials')] as const))
  const planned = new Set(plans.flatMap(([name, dials]) => dials.map((peer) => `${name} ${peer}`)))
  const asPlanned = links.filter(({ dialer, listener }) => planned.has(`${dialer} ${listener}`)).length
  report.check(
    'the two servers of each pair agree on which of them dials, without asking each other',
    planned.size === 6 && asPlanned === 6 && links.length === 6,
    `${asPlanned} of ${links.length} sockets were dialed by the server that both servers expected`,
    ': it is computed from their two names'
  )
}

export async function bothDirections(world: World): Promise<void> {
  const { report } = world
  const [one, two] = [world.server('node-1'), world.server('node-2')]
  const before = await linkBetween(world, 'node-1', 'node-2')
  const [there, back] = await Promise.all([one.ask('introduce', 'node-2', 100), two.ask('introduce', 'node-1', 100)])
  const after = await linkBetween(world, 'node-1', 'node-2')
  const isRight = there.join() === `hello node-1, this is node-2, pid ${two.pid}`
  report.check('node-1 asked node-2, 100 times at once', isRight, `each time the answer was "${there.join()}"`)
  const isRightBack = back.join() === `hello node-2, this is node-1, pid ${one.pid}`
  report.check('at the same time node-2 asked node-1', isRightBack, `each time the answer was "${back.join()}"`)
  const carried = after.bytes - before.bytes
  const sockets = (await world.links()).length
  report.check(
    'all of these calls, in both directions, went over the one socket between the two',
    before.ports === after.ports && carried > 0 && sockets === 6,
    `TCP ports ${before.ports} before, ${after.ports} after; ${number(carried)} bytes more; ${sockets} sockets in total`
  )
}

export async function remoteDisk(world: World): Promise<void> {
  const { report, disk } = world
  const seen = await world.server('node-3').ask('walk', 'node-2', 'photos')
  report.check(
    'every file arrived exactly once, in batches of 100',
    seen.entries === disk.files && seen.bytes === disk.bytes && seen.batches.length === Math.ceil(disk.files / 100),
    `${seen.entries} files with ${number(seen.bytes)} bytes in total, in batches of ${seen.batches.join(', ')}`
  )
}

export async function stalledConsumer(world: World): Promise<void> {
  const { report } = world
  const [maker, taker] = [world.server('node-1'), world.server('node-2')]
  await taker.ask('startCounting', 'node-1', 1_000_000)
  for (const taken of [5, 50]) {
    const { value } = await taker.ask('takeNumbers', taken === 5 ? 5 : 45)
    // These requests went there and back after that, so the generator has made all that it was allowed to make.
    const others = await taker.ask('introduce', 'node-1', 500)
    const made = await maker.ask('numbersMade')
    report.check(
      `node-2 took ${taken} numbers and stalls: the generator in node-1 stops at the window`,
      value === taken && made >= taken && made <= taken + countWindow,
      `it made ${number(made)} of 1,000,000 numbers; it may make ${taken + countWindow}: ${taken} taken and ${countWindow} ahead`
    )
    if (taken === 5) {
      const said = 'while it stalled, 500 requests were answered on the same socket'
      report.check('the stalled stream does not delay other calls', others.length === 1, said)
    }
  }
  const before = await maker.ask('numbersMade')
  const how = await taker.ask('stopCounting')
  await maker.noted('generator ended', 'count')
  const more = (await maker.ask('numbersMade')) - before
  report.check(
    'node-2 stops reading: the generator in node-1 ends, its "finally" block runs',
    how === 'cancelled' && more === 0,
    `the stream ended as "${how}"; ${more} more numbers were made`
  )
}

export async function conversation(world: World): Promise<void> {
  const { report } = world
  const { turns, last, end } = await world.server('node-4').ask('addUp', 'node-3', [1, 2, 3, 4])
  const expected = ['1 -> total 1', '2 -> total 3', '3 -> total 6', '4 -> total 10']
  report.check('four turns, each answered before the next', turns.join() === expected.join(), turns.join(',  '))
  report.check(
    'node-4 ends its half; node-3 still sends its summary, then the stream ends cleanly',
    last.join() === 'you sent 4 numbers, their total is 10' && end === 'ended',
    `node-3: "${last.join()}"; the stream ended as "${end}"`
  )
}

export async function cancelAndDeadline(world: World): Promise<void> {
  const { report } = world
  const [caller, worker] = [world.server('node-1'), world.server('node-3')]

  const cancelled = caller.ask('job', 'node-3', 'job to cancel')
  await worker.noted('job started', 'job to cancel')
  await caller.ask('cancelJob', 'job to cancel', 'the user has left')
  const outcome = await cancelled
  report.check(
    'node-1 cancels a running request, and gets its own reason back',
    outcome.error?.text === 'the user has left',
    `the call rejected with "${outcome.error?.text}"`
  )
  const { detail } = await worker.noted('job aborted', 'job to cancel')
  report.check(
    'the cancel reached the handler in node-3',
    detail === 'ERR_CANCELLED',
    `its signal aborted with the reason ${detail}`
  )

  const late = await caller.ask('job', 'node-3', 'job too long', { timeout: 150 })
  report.check(
    'node-1 asks again, with a timeout of 150 ms',
    late.error?.code === 'ERR_DEADLINE' && late.elapsedMs > 140,
    `after ${ms(late.elapsedMs)}: ${world.told(late)}`
  )
  const { detail: reason } = await worker.noted('job aborted', 'job too long')
  report.check(
    'the deadline reached the handler in node-3',
    reason === 'ERR_DEADLINE',
    `its signal aborted with the reason ${reason}`
  )
}

export function ms(elapsedMs: number): string {
  return `${elapsedMs.toFixed(elapsedMs < 10 ? 1 : 0)} ms`
}

function number(value: number): string {
  return value.toLocaleString('en')
}

async function linkBetween(world: World, one: string, other: string): Promise<Link> {
  const ends = [one, other]
  const [link] = (await world.links()).filter(
    ({ dialer, listener }) => ends.includes(dialer) && ends.includes(listener)
  )
  if (link === undefined) throw new Error(`there is no socket between ${one} and ${other}`)
  return link
}

/** Which server dialed which: a row for each dialing server. */
function tableOf(links: readonly Link[], names: readonly string[]): string[] {
  const width = 8
  const row = (cells: string[]) =>
    cells
      .map((cell) => cell.padEnd(width))
      .join('')
      .trimEnd()
  const lines = names.map((dialer) => {
    const cells = names.map((listener) => {
      const count = links.filter((link) => link.dialer === dialer && link.listener === listener).length
      return dialer === listener ? '·' : count === 0 ? '-' : `${count}`
    })
    return row([dialer, 'dials   '.slice(0, width), ...cells])
  })
  const accepted = names.map((name) => `${links.filter(({ listener }) => listener === name).length}`)
  return [row(['', '', ...names]), ...lines, row(['accepts', '', ...accepted, `= ${links.length}`])]
}

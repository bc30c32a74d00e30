/**
 * The last acts of the demo: a server is killed and comes back, then all servers shut down gracefully.
 *
 * Each act makes real servers do something, then checks what happened in their processes.
 */

import { once } from 'node:events'
import { connect } from 'node:net'
import { ms } from './calls.ts'
import { lockOfTheDead } from './locks.ts'
import { allowed, type ServerProcess, within } from './processes.ts'
import { isOncePerPair, type World } from './world.ts'

/** How long a call may take that fails without waiting for anything, on an idle machine. */
const atOnceMs = 250
/** How long a process may take to end that has nothing left to do, on an idle machine. */
const exitMs = 2_000

export async function killed(world: World): Promise<void> {
  const { report } = world
  const [caller, victim] = [world.server('node-1'), world.server('node-4')]
  const inFlight = caller.ask('job', 'node-4', 'job in flight')
  await caller.ask('startCounting', 'node-4', 1_000_000)
  await caller.ask('takeNumbers', 3)
  await victim.noted('job started', 'job in flight')
  await victim.ask('holdLock', 'door')
  report.say(
    `node-1 has a request and a stream open to node-4, which has a lock. Now: kill -9 of process ${victim.pid}.`
  )

  const { signal } = await victim.kill()
  report.check('node-4 is dead', signal === 'SIGKILL', `its process ended with ${signal}`)
  const lost = await inFlight
  report.check(
    'the request in flight fails, and says that the handler may have run',
    lost.error?.name === 'DisconnectedError' && lost.error.delivery === 'maybeRan',
    world.told(lost)
  )
  // More than fits in the window, because some of the numbers may have arrived already.
  const numbers = await caller.ask('takeNumbers', 1_000)
  report.check(
    'the open stream fails in the same way',
    numbers.error?.name === 'DisconnectedError' && numbers.error.delivery === 'maybeRan',
    world.told(numbers)
  )
  await whileItIsDead(world, caller)
  await lockOfTheDead(world)
}

async function whileItIsDead(world: World, caller: ServerProcess): Promise<void> {
  const { report } = world
  const meanwhile = await caller.ask('job', 'node-4', 'job meanwhile')
  report.check(
    'a new call to node-4 fails at once, and says that it was not sent: a retry is safe',
    meanwhile.error?.delivery === 'notSent' && meanwhile.elapsedMs < allowed(atOnceMs),
    `after ${ms(meanwhile.elapsedMs)}: ${world.told(meanwhile)}`
  )
  const others = world.servers.filter(({ name }) => name !== 'node-4')
  const asking = others.flatMap((asker) =>
    others.filter((peer) => peer !== asker).map((peer) => asker.ask('introduce', peer.name))
  )
  const answers = await Promise.all(asking)
  report.check(
    'the three others continue to work',
    answers.length === 6 && answers.every((greetings) => greetings.length === 1),
    `each of them called both of the others: ${answers.length} answers`
  )
}

export async function healed(world: World): Promise<void> {
  const { report, names } = world
  const others = world.servers.filter(({ name }) => name !== 'node-4')
  const patient = world.server('node-1').ask('job', 'node-4', 'job that waits', { waitForReady: true })
  const started = await world.restart('node-4')
  report.say(
    `node-4 is now process ${started.pid}, on its old port ${started.port}. The demo does not tell the others.`
  )
  const startedAt = performance.now()
  const instance = await started.ask('join', world.plan)
  const notes = await Promise.all(others.map((server) => server.noted('restart noticed', 'node-4')))
  await Promise.all(world.servers.map((server) => server.ask('waitForPeers')))
  const healedAfter = ms(performance.now() - startedAt)
  report.check(
    'the three others have reconnected, and noticed that node-4 is a new instance',
    notes.every(({ detail }) => detail === instance),
    `${notes.length} "restart" events, with the id of the new instance; all connected ${healedAfter} after it joined`
  )
  const links = await world.linksOncePerPair()
  report.check(
    'there is exactly one socket for each pair again',
    isOncePerPair(links, names),
    `${links.length} sockets, counted in each process`
  )
  await started.noted('job started', 'job that waits')
  await started.ask('releaseJob', 'job that waits')
  const { value, error } = await patient
  report.check(
    'a call made while node-4 was dead, with "waitForReady", was answered by the new process',
    JSON.stringify(value) === JSON.stringify({ doneBy: 'node-4', pid: started.pid }),
    error === undefined ? `the answer: ${JSON.stringify(value)}` : error.text
  )
}

export async function shutDown(world: World): Promise<void> {
  const { report, servers } = world
  const [caller, worker] = [world.server('node-1'), world.server('node-2')]
  const running = caller.ask('job', 'node-2', 'last job')
  await worker.noted('job started', 'last job')
  const stopping = [worker.ask('stop')]
  await caller.noted('connection left', 'node-2')
  report.say('node-2 is told to stop while it runs a job for node-1.')
  const refused = await caller.ask('job', 'node-2', 'job too late')
  report.check(
    'node-1 knows that node-2 takes no new calls: one more call fails at once, unsent',
    refused.error?.delivery === 'notSent',
    world.told(refused)
  )
  await worker.ask('releaseJob', 'last job')
  const { value, error } = await running
  report.check(
    'the job that was running is finished and answered first',
    JSON.stringify(value) === JSON.stringify({ doneBy: 'node-2', pid: worker.pid }),
    error === undefined ? `the answer: ${JSON.stringify(value)}` : error.text
  )
  stopping.push(...servers.filter((server) => server !== worker).map((server) => server.ask('stop')))
  await Promise.all(stopping)
  await nothingLeft(world)
}

async function nothingLeft({ report, servers }: World): Promise<void> {
  const exits = await Promise.all(
    servers.map((server) => within(server.exited, `${server.name} ends`, exitMs).catch((late: Error) => late.message))
  )
  const ends = exits.map((exit) => (typeof exit === 'string' ? exit : `code ${exit.code ?? exit.signal}`))
  report.check(
    'all four processes ended by themselves, with exit code 0',
    ends.every((end) => end === 'code 0'),
    ends.join(', '),
    ': no socket and no timer was left that would have kept one alive'
  )
  const open = await Promise.all(servers.map(({ port }) => isOpen(port)))
  report.check(
    'their ports are closed',
    !open.includes(true),
    `${open.filter((each) => !each).length} of ${open.length} connects were refused`
  )
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Refused, so nothing listens there.
    return false
  } finally {
    socket.destroy()
  }
}

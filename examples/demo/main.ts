/**
 * The demo: four server processes form a grid, talk over it, lose one of them, heal, and shut down.
 *
 * `npm run demo` shows the five claims that matter most, `npm run demo -- --all` all 32 of them, and `npm run demo -- --inspect`
 * the grid alone, with its page. It exits with 1 if any claim did not hold. Code has checked every line with a check mark
 * against what happened in the processes. This file is only the programme. The acts are in `calls.ts`, `locks.ts` and
 * `losses.ts`; the code that uses the library is in `server.ts`, `handlers.ts` and `tasks.ts`.
 */

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { bothDirections, cancelAndDeadline, conversation, formGrid, remoteDisk, stalledConsumer } from './calls.ts'
import { countWindow } from './definitions.ts'
import { headlines } from './headlines.ts'
import { inspect } from './inspect.ts'
import { locks } from './locks.ts'
import { healed, killed, shutDown } from './losses.ts'
import { killAll } from './processes.ts'
import { Report } from './report.ts'
import { World } from './world.ts'

/** A demo that hangs has failed: its slowest step takes a few seconds on an idle machine. */
const hangMs = 120_000

const { values } = parseArgs({ options: { all: { type: 'boolean' }, inspect: { type: 'boolean' } } })
/** Also for the servers, which inherit it. */
const isInspected = values.inspect === true
if (isInspected) process.env.IT_GRID_DEMO_INSPECT = '1'
const isLong = values.all === true || isInspected

const report = new Report(() => hanging.refresh(), isLong)
const world = new World(report, randomBytes(24).toString('hex'))

function giveUp(why: string, code: number): void {
  process.stdout.write(`\n${why}\n`)
  killAll()
  world.close()
  process.exit(code)
}

process.once('SIGINT', () => giveUp('Interrupted.', 130))
process.once('SIGTERM', () => giveUp('Terminated.', 143))
const hanging = setTimeout(
  () => giveUp(`✗ The demo hangs: nothing happened for ${hangMs / 1000} s.`, 1),
  hangMs
).unref()

async function play(): Promise<void> {
  report.title(
    'it-grid: four servers, one grid',
    'With it-grid, servers call each other. One WebSocket per pair of servers carries all their requests and streams, ' +
      'in both directions. Here each server is a process of its own, with an HTTP server on 127.0.0.1. The demo starts ' +
      'them, tells them what to do, and checks what they did. ✓ marks a claim that held, ✗ one that did not.'
  )
  await report.act(
    'The grid forms',
    'Four servers are started. Each gets two things: the list of all hosts, and a shared secret.',
    () => formGrid(world)
  )
  if (isInspected) {
    clearTimeout(hanging)
    await inspect(world)
  }
  await report.act(
    'Requests, in both directions',
    'node-1 and node-2 ask each other for their names, 100 times at once.',
    () => bothDirections(world),
    headlines.directions
  )
  if (isLong) await remote()
  await report.act(
    'A consumer that stalls',
    'node-2 asks node-1 to count to a million, takes a few numbers, and stops reading. The remote generator continues ' +
      `only when a value is taken. It may be ${countWindow} values ahead, because its definition says so.`,
    () => stalledConsumer(world),
    headlines.stall
  )
  if (isLong) await talk()
  await report.act(
    'Locks that all servers agree on',
    'Each server grants locks. A write lock needs the grants of more than half of them, a read lock those of half.',
    () => locks(world),
    headlines.locks
  )
  await report.act(
    'A server is killed',
    'As in a crash: node-4 gets no chance to say goodbye. node-1 has a request and a stream open to it.',
    () => killed(world),
    headlines.kill
  )
  await report.act(
    'The server comes back',
    'node-4 is started again. The grid must heal by itself: nobody tells the others.',
    () => healed(world),
    headlines.healing
  )
  await report.act('All shut down', 'First node-2, which has a job to finish, then the three others.', () =>
    shutDown(world)
  )
}

async function remote(): Promise<void> {
  const { files } = world.disk
  await report.act(
    'A remote disk as the source of a local pipeline',
    `The disk of node-2 holds ${files} files. node-3 walks it remotely, as the source of an it-pipe pipeline: ` +
      'pipe(peer.newStream(walk, { folder }), map(...), batch(100), ...)',
    () => remoteDisk(world)
  )
}

async function talk(): Promise<void> {
  await report.act(
    'A stream in both directions',
    'node-4 sends numbers to node-3, which answers each of them with the total so far.',
    () => conversation(world)
  )
  await report.act('A cancel and a deadline', 'node-1 asks node-3 to do jobs that never end by themselves.', () =>
    cancelAndDeadline(world)
  )
}

try {
  await play()
} finally {
  killAll()
  world.close()
}
if (!report.end(performance.now())) process.exitCode = 1

/**
 * The demo: four server processes form a grid, talk over it, lose one of them, heal, and shut down.
 *
 * `npm run demo`. It exits with 1 if anything did not happen as told: every line with a check mark was checked by code
 * against what happened in the processes concerned. This file is only the programme; the acts are in `calls.ts`,
 * `locks.ts` and `losses.ts`, the use of the library is in `server.ts`, `handlers.ts` and `tasks.ts`.
 */

import { randomBytes } from 'node:crypto'
import { bothDirections, cancelAndDeadline, conversation, formGrid, remoteDisk, stalledConsumer } from './calls.ts'
import { countWindow } from './definitions.ts'
import { locks } from './locks.ts'
import { healed, killed, shutDown } from './losses.ts'
import { killAll } from './processes.ts'
import { Report } from './report.ts'
import { World } from './world.ts'

/** A demo that hangs has failed. */
const longestMs = 60_000

const report = new Report()
const world = new World(report, randomBytes(24).toString('hex'))

function giveUp(why: string, code: number): void {
  process.stdout.write(`\n${why}\n`)
  killAll()
  world.close()
  process.exit(code)
}

process.once('SIGINT', () => giveUp('Interrupted.', 130))
process.once('SIGTERM', () => giveUp('Terminated.', 143))
setTimeout(() => giveUp(`✗ The demo hangs: not done after ${longestMs / 1000} s.`, 1), longestMs).unref()

async function play(): Promise<void> {
  report.title(
    'it-grid: four servers, one grid',
    'With it-grid, servers call each other: one WebSocket for each two of them carries all their requests and',
    'streams, both ways. Here each server is a process of its own, with an HTTP server on 127.0.0.1. The demo starts',
    'them, tells them what to do, and checks what they did: ✓ is a claim that was found true, ✗ one that was not.'
  )
  await report.act(
    'The grid forms',
    ['Four servers are started and told two things: the list of all hosts, and a secret they share.'],
    () => formGrid(world)
  )
  await report.act('Requests, in both directions', ['node-1 and node-2 ask each other who they are.'], () =>
    bothDirections(world)
  )
  const { files } = world.disk
  const walk = [
    `The disk of node-2 holds ${files} files. node-3 walks it from afar, as the source of an it-pipe chain:`,
    'pipe(peer.newStream(walk, { folder }), map(...), batch(100), ...)'
  ]
  await report.act('A remote disk as the source of a local pipeline', walk, () => remoteDisk(world))
  const stall = [
    'node-2 has node-1 count to a million, takes a few numbers, and stops taking. Asking for a value is what lets',
    `the far generator go on; it may be ${countWindow} values ahead, because its definition says so.`
  ]
  await report.act('A consumer that stalls', stall, () => stalledConsumer(world))
  const talk = ['node-4 sends numbers to node-3, which answers each with the total so far.']
  await report.act('A stream in both directions', talk, () => conversation(world))
  const cancel = ['node-1 asks node-3 for jobs that would never end by themselves.']
  await report.act('A cancel and a deadline', cancel, () => cancelAndDeadline(world))
  const lock = ['Each server grants locks; one is had by whom more than half of them grant it, or half to read.']
  await report.act('Locks that all servers agree on', lock, () => locks(world))
  await report.act('A server is killed', ['As by a crash: node-4 gets no chance to say goodbye.'], () => killed(world))
  await report.act('The server comes back', ['node-4 is started again; the grid has to heal by itself.'], () =>
    healed(world)
  )
  await report.act('All shut down', ['First node-2, which has a job to finish; then the three others.'], () =>
    shutDown(world)
  )
}

try {
  await play()
} finally {
  killAll()
  world.close()
}
if (!report.end(performance.now())) process.exitCode = 1

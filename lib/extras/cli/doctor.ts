/** `doctor`: what is wrong with servers that are not found or do not connect, and what to do. */

import { doctor as examine, type Finding } from '../doctor/index.ts'
import type { Command, Run } from './command.ts'
import { exitCodes } from './exit.ts'
import { hostsOf } from './hosts.ts'
import type { Colour } from './output.ts'
import { printable } from './text.ts'
import { toJson } from './values.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'what is wrong with servers that are not found or do not connect, and what to do',
  usage: 'HOST [HOST ...]',
  about: `Goes the way of a conn: name, port, TLS, path, handshake, then clock, event loop and lists, then each pair of servers. Those
that the hosts name are looked at as well. It fails (exit code 1) where it finds a fault.

  it-grid doctor https://node-1:9000
  it-grid doctor https://node-1:9000 --json | jq -r 'select(.level == "fault") | .cause'`,
  options: { quiet: { short: 'q', help: 'only what is wrong, or may be' } },
  run: runDoctor
}

const signs: Readonly<Record<Finding['level'], { readonly sign: string; readonly colour: Colour }>> = {
  good: { sign: 'ok', colour: 'green' },
  doubt: { sign: '? ', colour: 'yellow' },
  fault: { sign: 'no', colour: 'red' }
}

async function runDoctor(run: Run): Promise<number> {
  const { comer, options, signal } = run
  const hosts = hostsOf(run)
  const timeoutMs = options.ms('connect-timeout')
  let faults = 0
  for await (const finding of examine({ ...comer, hosts, signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) })) {
    if (finding.level === 'fault') faults++
    if (finding.level !== 'good' || !options.has('quiet')) await print(run, finding)
  }
  const sum = faults === 0 ? 'no fault was found' : `${faults} fault${faults > 1 ? 's' : ''}`
  if (!options.has('json')) await run.out.line(sum)
  return faults === 0 ? exitCodes.ok : exitCodes.failed
}

async function print({ out, options }: Run, finding: Finding): Promise<void> {
  if (options.has('json')) return await out.line(toJson(finding))
  const { level, host, peer, check, text, cause, advice } = finding
  const { sign, colour } = signs[level]
  const where = peer === undefined ? host : `${host} → ${peer}`
  await out.line(`${out.paint(colour, sign)}  ${printable(where)}  ${check}: ${printable(text)}`)
  if (advice !== undefined) await out.line(`    ${out.paint('dim', `${cause}:`)} ${printable(advice)}`)
}

/**
 * Resets a session of every kind of call after each number of bytes, in both directions; `--help` lists the options.
 *
 * The sample of it that runs each time is `spec/behaviour/cut-everywhere.spec.ts`.
 */

import { parseArgs } from 'node:util'
import type { Direction } from '../../lib/extras/testing/index.ts'
import { type Cut, cutsOf, type Measure, openCutSession } from '../support/calls/cut-session.ts'

const options = {
  stride: { type: 'string', default: '1' },
  bulk: { type: 'string', default: '1021' },
  at: { type: 'string' },
  only: { type: 'string' },
  help: { type: 'boolean', default: false }
} as const

const help = `options:
  --stride <n>    cut at every nth byte of the handshake and of the small frames (1)
  --bulk <n>      cut at every nth byte of the message in fragments (1021)
  --only <where>  inbound or outbound
  --at <n>        cut after n bytes only`

interface Row {
  readonly direction: Direction
  readonly bytes: number
  readonly cuts: number
  readonly failed: number
  readonly seconds: number
}

function settings() {
  const { values } = parseArgs({ options })
  const [stride, bulk, at] = [values.stride, values.bulk, values.at ?? '0'].map(Number) as [number, number, number]
  const isCount = (value: number, least: number) => Number.isInteger(value) && value >= least
  if (!isCount(stride, 1) || !isCount(bulk, 1) || !isCount(at, 0)) throw new Error('a number is none')
  const directions = (['inbound', 'outbound'] as const).filter((name) => name === (values.only ?? name))
  if (directions.length === 0) throw new Error(`--only is inbound or outbound`)
  const strides = { handshake: stride, frames: stride, bulk }
  return { strides, directions, at: values.at === undefined ? undefined : at, help: values.help }
}

async function sweep(direction: Direction, cutsFor: (measure: Measure) => Cut[]) {
  const started = performance.now()
  const session = await openCutSession()
  const measure = await session.measure(direction)
  const cuts = cutsFor(measure)
  let failed = 0
  for (const [done, cut] of cuts.entries()) {
    if (done % 500 === 0) console.log(`${direction}: ${done} of ${cuts.length} cuts, ${failed} failed`)
    await session.cut(cut).catch((error: Error) => {
      failed++
      console.error(error.message)
    })
  }
  await session.close()
  const seconds = Math.round((performance.now() - started) / 1000)
  return { direction, bytes: measure.all[direction], cuts: cuts.length, failed, seconds }
}

async function main(): Promise<void> {
  const { strides, directions, at, help: wantsHelp } = settings()
  if (wantsHelp) return console.log(help)
  const rows: Row[] = []
  for (const direction of directions) {
    rows.push(
      await sweep(direction, (measure) =>
        at === undefined ? cutsOf(measure, direction, strides) : [{ direction, afterBytes: at }]
      )
    )
  }
  console.table(rows)
  if (rows.some(({ failed }) => failed > 0)) process.exitCode = 1
}

main().catch((error: Error) => {
  console.error(`${error.message}\n${help}`)
  process.exitCode = 1
})

/** Which of the open calls somebody asked for: those that wait longest first, and streams that are only quiet after them. */

import { aString, aWholeNumber, type Kinds, optionsReader } from '../errors/check.ts'
import { maxLimit } from '../errors/options.ts'
import type { HalfInfo, StreamInfo, StreamsOptions } from '../report/stream-info.ts'

const defaultMax = 200

export const ofStreams: Kinds<StreamsOptions> = { handler: aString, subroute: aString, max: aWholeNumber(1, maxLimit) }

/** @throws {InvalidOptionError} naming the option that is wrong */
const read = optionsReader<StreamsOptions>('streams()', ofStreams)

export function selectStreams(streams: readonly StreamInfo[], options?: StreamsOptions): StreamInfo[] {
  const { handler, subroute, max = defaultMax } = read(options)
  return streams
    .filter((each) => handler === undefined || each.handler === handler)
    .filter((each) => subroute === undefined || each.subroute === subroute)
    .sort((a, b) => waitOf(b) - waitOf(a) || quietOf(b) - quietOf(a))
    .slice(0, max)
}

/** The longest wait of any of its halves. A stream to which nobody gives anything may only have nothing to do. */
function waitOf({ kind, sending, receiving }: StreamInfo): number {
  const waited = (half: HalfInfo | undefined) => {
    const isQuiet = kind === 'streaming' && (half?.waitsFor === 'producer' || half?.waitsFor === 'peer')
    return isQuiet ? 0 : (half?.waitedMs ?? 0)
  }
  return Math.max(waited(sending), waited(receiving))
}

function quietOf({ sending, receiving }: StreamInfo): number {
  return Math.max(sending?.waitedMs ?? 0, receiving?.waitedMs ?? 0)
}

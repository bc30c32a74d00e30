/** What a schedule decides before it begins, and for each call when it opens: all of it drawn from the seed. */

import { bytes, type Codec, single, streaming } from '../../../lib/index.ts'
import { oneOf, wholeBelow } from '../random.ts'

type Random = () => number
export type Single = ReturnType<typeof single<Uint8Array, Uint8Array>>
export type Streaming = ReturnType<typeof streaming<Uint8Array, Uint8Array, Uint8Array>>

/** Larger than three fragments; a message above it is refused. */
export const maxMessageBytes = 220_000

/** As `bytes`, but it is given a view and copies it itself. */
const viewed: Codec<Uint8Array> = {
  encode: (value) => bytes().encode(value),
  decode: (view) => view.slice(),
  readsInPlace: true
}

export const singles: readonly Single[] = [
  single('one', { request: bytes(), response: bytes() }),
  single('view', { request: viewed, response: viewed })
]

export const streamings: readonly Streaming[] = [
  define(0, 1, bytes()),
  define(0, 8, viewed),
  define(1, 0, viewed),
  define(1, 1, bytes()),
  define(2, 3, viewed),
  define(5, 8, bytes()),
  define(40, 128, bytes())
]

function define(inCapacity: number, outCapacity: number, codec: Codec<Uint8Array>): Streaming {
  const options = { payload: codec, request: codec, response: codec, inCapacity, outCapacity }
  return streaming(`stream-${inCapacity}-${outCapacity}`, options)
}

/** How often each kind of step is chosen, relative to the others. */
const calm = {
  open: 10,
  act: 50,
  hold: 5,
  release: 8,
  wait: 8,
  cancel: 3,
  cut: 0,
  kill: 0,
  vanish: 0,
  close: 0,
  silence: 0
}
const calmMoods = [calm, { ...calm, cancel: 15 }, { ...calm, open: 25 }]
const faultyMoods = [
  { ...calm, cut: 2 },
  { ...calm, cut: 1, kill: 1, vanish: 1 },
  { ...calm, close: 2, cut: 1 },
  { ...calm, cut: 1, kill: 1, vanish: 1, close: 1, silence: 0.5, cancel: 5 }
]

export type Step = keyof typeof calm
export type Fault = 'cut' | 'kill' | 'vanish' | 'close' | 'silence' | 'expire'
export type SchedulePlan = ReturnType<typeof drawSchedule>
export type CallPlan = ReturnType<typeof drawCall>

/** With an even seed nothing befalls the ends, but that an identity may end: then hardly any error is allowed. */
export function drawSchedule(seed: number, random: Random) {
  return {
    steps: 15 + wholeBelow(random, 85),
    weights: oneOf(random, seed % 2 === 0 ? calmMoods : faultyMoods),
    ends: [drawEnd(random), drawEnd(random)] as const,
    /** Messages that a direction of a conn holds until its sender waits. */
    linkCapacity: oneOf(random, [1, 2, 16]),
    checksum: random() < 0.2,
    /** How long the identity of either end lasts, in ms; undefined for ever. */
    lifetimeMs: random() < 0.1 ? 30 + wholeBelow(random, 100) : undefined
  }
}

function drawEnd(random: Random) {
  return {
    windowBytes: oneOf(random, [1, 300, 5_000, 70_000, 262_144, 262_144]),
    maxInboundStreams: oneOf(random, [2, 100_000, 100_000, 100_000])
  }
}

const handlerEnds = ['return', 'return', 'return', 'return', 'return', 'return', 'throw', 'bad', 'huge'] as const

export function drawCall(random: Random) {
  const isSingle = random() < 0.4
  const definition = isSingle ? oneOf(random, singles) : oneOf(random, streamings)
  const takesRequests = definition.kind === 'streaming' && definition.inCapacity > 0
  const mayRespond = definition.kind === 'single' || definition.outCapacity > 0
  return {
    /** The end that calls. */
    from: random() < 0.5 ? (0 as const) : (1 as const),
    definition,
    payloadBytes: random() < 0.02 ? maxMessageBytes + 1 : drawSize(random),
    timeoutMs: random() < 0.25 ? 1 + wholeBelow(random, 150) : undefined,
    signal: oneOf(random, ['none', 'none', 'none', 'own', 'own', 'own', 'shared', random() < 0.3 ? 'aborted' : 'own']),
    waitForReady: random() < 0.3,
    reads: drawReading(random, 0.8),
    /** How the caller sends its requests. */
    sends: {
      by: takesRequests ? oneOf(random, ['none', 'send', 'send', 'push', 'async', 'async', 'sync']) : ('none' as const),
      count: drawCount(random),
      /** `late`: it comes only when the schedule is over. */
      end: oneOf(random, ['end', 'end', 'end', 'end', 'late', 'throw']),
      /** Does not wait for one `send` before the next. */
      isEager: random() < 0.5
    },
    /** What the handler does. */
    answers: {
      by: isSingle
        ? oneOf(random, ['sync', 'late'])
        : oneOf(random, ['async', 'async', 'async', 'sync', 'late', 'nothing']),
      count: mayRespond ? drawCount(random) : 0,
      /** `hang`: only when it is aborted, or when the schedule is over. */
      end: oneOf(random, [...handlerEnds, 'hang', 'refuse']),
      reads: drawReading(random, 0.7),
      readsWhen: oneOf(random, ['before', 'between', 'beside'])
    }
  }
}

/** How much of what comes is read: all, some and then no more, or nothing. */
function drawReading(random: Random, all: number) {
  const draw = random()
  const mode: 'all' | 'some' | 'none' = draw < all ? 'all' : draw < all + 0.2 ? 'some' : 'none'
  return { mode, count: wholeBelow(random, 8) }
}

/** Few messages mostly, some time more than any small window. */
function drawCount(random: Random): number {
  return random() < 0.15 ? wholeBelow(random, 100) : wholeBelow(random, 12)
}

/** Bytes of a message: of no, one, or a few bytes, of thousands, and rarely of several fragments. */
export function drawSize(random: Random): number {
  const draw = random()
  if (draw < 0.1) return 0
  if (draw < 0.25) return 1 + wholeBelow(random, 3)
  if (draw < 0.8) return 4 + wholeBelow(random, 200)
  if (draw < 0.96) return wholeBelow(random, 8_000)
  if (draw < 0.985) return 64_000 + wholeBelow(random, 4_000)
  return wholeBelow(random, maxMessageBytes)
}

/** `call`: one request, or one stream, at a handler whose definition is not known here. */

import {
  type Callable,
  type CallOptions,
  CodecError,
  type GridStream,
  type HandlerInfo,
  type Metadata,
  single,
  streaming
} from '../../index.ts'
import { codecs, codecsOf, findHandler, likelyCodecs } from './codecs.ts'
import type { Command, Run } from './command.ts'
import { tellNote } from './errors.ts'
import { UsageError } from './exit.ts'
import { chunksOf, type Source } from './file.ts'
import { hostOf, noMore } from './hosts.ts'
import { bytesOf, isPiped, linesOf, payloadOf, sourceOf } from './input.ts'
import { printable, printableBlock } from './text.ts'
import { fromJson, toJson } from './values.ts'

export const call: Command = {
  name: 'call',
  summary: 'call a handler: a request, or a stream',
  usage: 'HOST ID [JSON | @FILE | -] [--stream [- | @FILE]]',
  about: `The payload is JSON, or the content of a FILE or of stdin (-). Answers are JSON: one value, or one line for each
response of a stream. --stream sends requests to a streaming handler: each line of stdin, or of @FILE, is one.
With --raw payload, requests and answers are bytes, unchanged.

  it-grid call http://node-1:9000 cache.get '{"key":"a"}'
  it-grid call http://node-1:9000 storage.walk '{"path":"/"}' | head -3
  cat events.ndjson | it-grid call http://node-1:9000 feed.append '{"topic":"t"}' --stream
  it-grid call http://node-1:9000 blob.put @photo.jpg --raw --metadata name=photo`,
  options: {
    stream: { help: 'send requests: the lines of stdin, or of @FILE; with --raw its bytes' },
    raw: { help: 'bytes in, bytes out' },
    metadata: {
      value: 'KEY=TEXT',
      multiple: true,
      help: 'sent with the call; or a JSON object. May be given several times'
    },
    timeout: { value: 'TIME', env: 'IT_GRID_TIMEOUT', help: 'of the whole call; default 60s, for a stream none' },
    subroute: { value: 'NAME', help: 'the subroute of the handler' }
  },
  run: runCall
}

async function runCall(run: Run): Promise<undefined> {
  const { host, rest } = hostOf(run)
  const [id, ...inputs] = rest
  if (id === undefined) throw new UsageError('which handler? Name its id after the host; "handlers" lists them')
  const given = readInputs(run, inputs)
  const metadata = metadataOf(run.options.texts('metadata'))
  const subroute = run.options.text('subroute') ?? ''
  const timeout = run.options.ms('timeout')
  await using guest = await run.dial(host)
  const options: CallOptions = {
    ...{ signal: run.signal, metadata },
    ...(timeout === undefined ? {} : { timeout })
  }
  const info = findHandler(guest, subroute, id)
  const target = subroute === '' ? guest : guest.subroute(subroute)
  const made: Call = { run, target, options, info: info ?? unknownInfo(id, subroute, run.options.has('stream')), given }
  if (run.options.has('stream') && made.info.kind === 'single') {
    const how = 'leave out --stream, and give the payload as JSON, as @FILE, or as - for stdin'
    throw new UsageError(`"${printable(id)}" takes one request and no stream: ${how}`)
  }
  await (made.info.kind === 'single' ? request(made) : stream(made))
  return undefined
}

interface Call {
  readonly run: Run
  readonly target: Callable
  readonly options: CallOptions
  readonly info: HandlerInfo
  readonly given: Inputs
}

/** The call itself then says what is wrong, and which handler was probably meant. */
function unknownInfo(handler: string, subroute: string, isStream: boolean): HandlerInfo {
  return { kind: isStream ? 'streaming' : 'single', handler, subroute, inCapacity: 1, outCapacity: 1 }
}

interface Inputs {
  readonly payload: string | undefined
  /** Where the requests of a stream come from. */
  readonly requests: string | undefined
}

/** With `--stream`, stdin and files are requests, and what is written out is the payload. */
function readInputs({ options }: Run, inputs: readonly string[]): Inputs {
  if (!options.has('stream')) {
    noMore(inputs.slice(1))
    return { payload: inputs[0], requests: undefined }
  }
  const isSource = (text: string) => text === '-' || text.startsWith('@')
  const [requests = '-', ...moreSources] = inputs.filter(isSource)
  const [payload, ...more] = inputs.filter((text) => !isSource(text))
  noMore([...moreSources, ...more])
  return { payload, requests }
}

/** What is piped in and not asked for is not read: it may be meant for what runs next. */
async function tellUnread({ run, info, given }: Call): Promise<void> {
  if (given.payload !== undefined || given.requests !== undefined || !isPiped(run.stdin)) return
  if (info.inCapacity > 0 && info.kind === 'streaming')
    return await tellNote(run, 'stdin is not read: --stream sends each line of it as a request')
  if (codecsOf(info)?.payload !== 'none') await tellNote(run, 'stdin is not read: - sends it as the payload')
}

async function request(made: Call): Promise<void> {
  const { run, target, options, info, given } = made
  const { stdin, signal, out } = run
  await tellUnread(made)
  if (run.options.has('raw')) {
    const bytes = given.payload === undefined ? new Uint8Array() : await bytesOf(given.payload, stdin, signal)
    return await printBytes(run, await target.request(info.handler, bytes, options))
  }
  const value = given.payload === undefined ? undefined : await payloadOf(given.payload, stdin, signal)
  const { payload, response } = likelyCodecs(info)
  checkGiven(value, payload, info)
  const definition = single<unknown, unknown>(info.handler, { request: codecs[payload], response: codecs[response] })
  const answer = await target
    .request(definition, value, options)
    .catch((error) => Promise.reject(withHint(error, info)))
  if (run.options.has('json')) await out.line(toJson(answer))
  else if (answer !== undefined) await out.line(toJson(answer, out.isTerminal ? 2 : 0))
}

/** JSON has no form for a payload that was left out. */
function checkGiven(value: unknown, codec: string, { handler }: Call['info']): void {
  if (value !== undefined || codec !== 'json') return
  throw new UsageError(`"${printable(handler)}" takes a payload: give it as JSON, as @FILE, or as - for stdin`)
}

async function stream(made: Call): Promise<void> {
  const { run, target, options, info, given } = made
  if (given.requests !== undefined && info.inCapacity === 0) {
    throw new UsageError(`"${printable(info.handler)}" takes no requests: leave out --stream`)
  }
  const { stdin, signal } = run
  await tellUnread(made)
  if (run.options.has('raw')) {
    const payload = given.payload === undefined ? new Uint8Array() : await bytesOf(given.payload, stdin, signal)
    const opened = target.newStream(info.handler, payload, options)
    return await exchange(made, opened, chunksOf, (batch) => printBytes(run, ...batch))
  }
  const value = given.payload === undefined ? undefined : await payloadOf(given.payload, stdin, signal)
  const of = likelyCodecs(info)
  checkGiven(value, of.payload, info)
  const parts = { payload: codecs[of.payload], request: codecs[of.request], response: codecs[of.response] }
  const { inCapacity, outCapacity } = info
  const definition = streaming<unknown, unknown, unknown>(info.handler, {
    ...parts,
    inCapacity: Math.max(1, inCapacity),
    outCapacity
  })
  const opened = target.newStream(definition, value, options)
  return await exchange(made, opened, linesOf, (batch) => run.out.lines(batch.map((each) => toJson(each)))).catch(
    (error) => Promise.reject(withHint(error, info))
  )
}

type Read<T> = (source: Source, signal: AbortSignal) => AsyncIterable<T>

/** Sends what is read, and prints what comes, each only as fast as the other end takes it. */
async function exchange<T>(
  { run, given, info }: Call,
  opened: GridStream<T, T>,
  read: Read<T>,
  print: (batch: T[]) => Promise<void>
): Promise<void> {
  const over = new AbortController()
  const source = given.requests === undefined ? undefined : sourceOf(given.requests, run.stdin)
  // What goes wrong with it is the error of the stream.
  if (source !== undefined) opened.sink(read(source, over.signal)).catch(() => undefined)
  else if (info.inCapacity > 0) opened.requests?.end()
  try {
    let isSilent = true
    for await (const batch of opened.batches()) {
      isSilent = false
      await print(batch)
    }
    if (isSilent && source === undefined && info.inCapacity > 0 && !isPiped(run.stdin)) {
      const how = '--stream sends each line of stdin, or of @FILE'
      await tellNote(run, `"${info.handler}" takes requests, was sent none, and has answered nothing: ${how}`)
    }
  } finally {
    over.abort()
    opened.cancel()
  }
}

/** On a terminal, what that would obey is escaped. */
async function printBytes({ out }: Run, ...chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) await out.write(out.isTerminal ? printableBlock(Buffer.from(chunk).toString()) : chunk)
}

/** `KEY=TEXT`, or an object. */
function metadataOf(texts: readonly string[]): Metadata {
  const entries = texts.flatMap((text): [string, unknown][] => {
    const [, key, value] = /^([^={]+)=([\s\S]*)$/.exec(text) ?? []
    if (key !== undefined && value !== undefined) return [[key, value]]
    const object = text.trimStart().startsWith('{') ? fromJson(text, '--metadata') : undefined
    // What it has a form for may be a date, or bytes.
    if (object instanceof Object && Object.getPrototypeOf(object) === Object.prototype) return Object.entries(object)
    throw new UsageError(`--metadata must be KEY=TEXT, or a JSON object; it is "${printable(text.slice(0, 64))}"`)
  })
  return Object.fromEntries(entries) as Metadata
}

/** Where its codecs are not known, bytes were taken for msgpack. */
function withHint(error: unknown, info: HandlerInfo): unknown {
  if (!CodecError.is(error) || codecsOf(info) !== undefined) return error
  const text = `${error.message}; the handler does not say which codec it uses: if it takes or gives bytes, add --raw`
  return new CodecError(text, { cause: error, ...(error.delivery && { delivery: error.delivery }) })
}

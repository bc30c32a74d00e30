/**
 * The layers, held to: which file may import which, who may know `ws`, and how large and how documented a file is.
 *
 * A new file gets its rank here, with the files that know as much as it does. Types may point upwards, code may not.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

/** From those that know nothing to those that know all; `docs/` and the names of the files tell the rest. */
const ranks: readonly (readonly string[])[] = [
  /** Errors and every number that can be set. */
  ['errors', 'fifo', 'options', 'logger', 'rate', 'abort-listener', 'id-table', 'payload-memory'],
  /** The protocol's words, arithmetic of windows, the half-close machine, contracts. */
  [
    'frame',
    'window',
    'stream-state',
    'conn',
    'connection-state',
    'stream-port',
    'definition',
    'stats',
    'hosts',
    'backoff',
    'deadlines'
  ],
  /** Bytes: values, frames. */
  ['msgpack', 'frame-reader', 'frame-writer', 'keepalive', 'remote-error', 'reset-error'],
  /** Conns and what they are made of; what is written next; messages in pieces. */
  ['inbox', 'pump', 'carrier', 'outbox', 'assembly'],
  ['websocket', 'duplex', 'memory', 'open-conn'],
  /** The two halves of a stream. */
  ['source', 'sink', 'call-options', 'context'],
  ['stream'],
  /** Both ends of a call, and the tables of a session. */
  ['handlers', 'stream-table', 'session-end', 'session-control'],
  ['responder', 'dispatch'],
  /** Who the other end is. */
  ['auth', 'mutual-tls', 'hello', 'handshake-refusal', 'handshake'],
  /** One live conn. */
  ['session'],
  /** How calls are made on it. */
  ['request', 'grid-stream', 'calls', 'ready-waiters'],
  /** How conns arrive and become peers. */
  ['accept-watch', 'upgrade-hub', 'listener', 'refusal-log', 'establish'],
  /** The lasting link to one host. */
  ['expiry', 'sessions', 'dial-log', 'connection'],
  ['loopback'],
  ['host-lists', 'manager-options', 'manager'],
  /** Codecs and definitions stand beside it all: they need values only. */
  ['schema', 'codecs', 'json', 'tuple'],
  ['typed'],
  ['index']
]

/** The conn row: the only files that know `ws`. */
const knowWs = ['websocket', 'listener']
const maxLines = 300

interface File {
  readonly name: string
  readonly text: string
  /** Local files that it imports, with or without code. */
  readonly imports: readonly { readonly name: string; readonly typeOnly: boolean }[]
  readonly packages: readonly string[]
}

const folder = new URL('../lib/', import.meta.url)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map(read)
const byName = new Map(files.map((file) => [file.name, file]))
const rankOf = new Map(ranks.flatMap((names, rank) => names.map((name) => [name, rank] as const)))

function read(path: string): File {
  const text = readFileSync(new URL(path, folder), 'utf8')
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '')
  const clauses = [...code.matchAll(/^(?:import|export)\s+(?:(?<what>[^'"]*?)\s+from\s+)?['"](?<from>[^'"]+)['"]/gm)]
  const found = clauses.map(({ groups }) => ({ from: groups?.from ?? '', typeOnly: isTypeOnly(groups?.what ?? '') }))
  return {
    name: path.slice(0, -'.ts'.length),
    text,
    imports: found
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from, typeOnly }) => ({ name: from.replace(/^\.\//, '').replace(/\.ts$/, ''), typeOnly })),
    packages: found.map(({ from }) => from).filter((from) => !from.startsWith('.') && !from.startsWith('node:'))
  }
}

/** `type X`, `type { X }`, or `{ type X, type Y }`: nothing of it is left when the types are stripped. */
function isTypeOnly(what: string): boolean {
  if (what.startsWith('type ')) return true
  const names = /^\{(?<names>[\s\S]*)\}$/.exec(what.trim())?.groups?.names
  return names?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false
}

/** The code that a file needs before it can run, transitively; a cycle ends at its first file. */
function cycleFrom(name: string, path: readonly string[] = []): readonly string[] | undefined {
  if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
  for (const imported of byName.get(name)?.imports ?? []) {
    if (imported.typeOnly) continue
    const cycle = cycleFrom(imported.name, [...path, name])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

describe('lib/', () => {
  it('is flat, and each file of it has one rank', () => {
    assert.deepEqual(files.map(({ name }) => name).sort(), [...rankOf.keys()].sort())
    assert.equal(ranks.flat().length, rankOf.size)
  })

  it('has files that import code from their own rank or lower ones only', () => {
    const upwards: string[] = []
    let checked = 0
    for (const { name, imports } of files) {
      for (const { name: imported, typeOnly } of imports) {
        checked++
        assert.ok(byName.has(imported), `${name} imports ${imported}, which is not there`)
        const above = (rankOf.get(imported) ?? Number.POSITIVE_INFINITY) > (rankOf.get(name) ?? -1)
        if (above && !typeOnly) upwards.push(`${name} imports ${imported}`)
      }
    }
    assert.deepEqual(upwards, [])
    assert.ok(checked > 100, `only ${checked} imports were found`)
  })

  it('has no cycles but of types', () => {
    for (const { name } of files) assert.equal(cycleFrom(name)?.join(' > '), undefined)
  })

  it('knows ws in the conn row only, and no package that is not a dependency', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    const used = new Set<string>()
    for (const { name, packages } of files) {
      for (const found of packages) {
        used.add(found)
        if (found === 'ws') assert.ok(knowWs.includes(name), `${name} imports ws`)
      }
    }
    // The declarations that we ship name types of ws, so its users need them too.
    assert.deepEqual([...used, '@types/ws'].sort(), Object.keys(dependencies).sort())
  })

  for (const { name, text } of files) {
    it(`${name}.ts has fewer than ${maxLines} lines and says first what it is for`, () => {
      const lines = text.trimEnd().split('\n')
      assert.ok(lines.length < maxLines, `${lines.length} lines`)
      assert.match(text, /^\/\*\*(?:[^*]|\*(?!\/)){20,}\*\//, 'no head comment')
    })
  }

  it('has neither any, nor suppressions, nor default exports, nor open ends', () => {
    for (const { name, text } of files) {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      assert.doesNotMatch(code, /:\s*any\b|\bas any\b|<any>|\bany\[\]/, name)
      assert.doesNotMatch(code, /^export default/m, name)
      assert.doesNotMatch(text, /@ts-|biome-ignore|TODO|FIXME/, name)
      // One that does nothing has to say why.
      assert.doesNotMatch(text, /catch\s*(\([^)]*\)\s*)?\{\s*\}/, name)
    }
  })
})

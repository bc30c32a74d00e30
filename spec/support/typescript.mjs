/**
 * Runs the sources as they are: `node --import ./spec/support/typescript.mjs FILE.ts`, in half the time that `tsx` takes.
 *
 * A file without its types is kept below `node_modules/.cache` until its source changes. Imports name the files that they
 * mean, but for our own name and for what the build makes of `lib/`: there the sources are taken. Plain JavaScript,
 * because it is what loads TypeScript.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as module from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, threadId } from 'node:worker_threads'

const root = new URL('../../', import.meta.url).href
const cache = new URL('node_modules/.cache/it-grid-sources/', root).href
const require = module.createRequire(import.meta.url)
const options = {
  loader: 'ts',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  sourcesContent: false,
  tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, target: 'ES2023' } }
}

export function resolve(specifier, context, next) {
  if (specifier.startsWith('node:')) return { url: specifier, format: 'builtin', shortCircuit: true }
  if (specifier.startsWith('.') && specifier.endsWith('.ts') && context.parentURL?.startsWith(root))
    return { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true }
  if (specifier === 'it-grid') return next(`${root}lib/index.ts`, context)
  const extra = /^it-grid\/([\w.-]+)$/.exec(specifier)?.[1]
  if (extra !== undefined) return next(`${root}lib/extras/${extra}/index.ts`, context)
  return next(specifier.startsWith(`${root}lib/`) ? specifier.replace(/\.js$/, '.ts') : specifier, context)
}

export function load(url, context, next) {
  if (!/\.m?ts$/.test(url)) return next(url, context)
  const source = readFileSync(fileURLToPath(url), 'utf8')
  // A program of a page, which is elsewhere, runs once.
  const code = url.startsWith(root) ? withoutTypes(url, source) : transformed(url, source)
  return { format: 'module', source: code, shortCircuit: true }
}

function withoutTypes(url, source) {
  const kept = fileURLToPath(`${cache}${url.slice(root.length)}.js`)
  const stamp = `//${createHash('sha1')
    .update(JSON.stringify([options, url, source]))
    .digest('hex')}\n`
  try {
    const code = readFileSync(kept, 'utf8')
    if (code.startsWith(stamp)) return code
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  const code = transformed(url, source, stamp)
  mkdirSync(dirname(kept), { recursive: true })
  // Others may be reading it, or writing the same.
  const draft = `${kept}.${process.pid}-${threadId}`
  writeFileSync(draft, code)
  renameSync(draft, kept)
  return code
}

function transformed(url, source, stamp = '') {
  const { transformSync } = require('esbuild')
  // What names its interpreter would stay before the banner, which is looked for at the beginning.
  const program = source.replace(/^#!.*/, '')
  return transformSync(program, { ...options, banner: stamp.trim(), sourcefile: fileURLToPath(url) }).code
}

if (isMainThread) {
  // What a spec starts is no part of its coverage, and would take longer: compilers, browsers, the thread below.
  if (process.env.NODE_TEST_CONTEXT !== undefined) delete process.env.NODE_V8_COVERAGE
  process.setSourceMapsEnabled(true)
  // The second is all that Node 20 has, and runs the hooks in another thread; from Node 26 on it is deprecated.
  if (module.registerHooks === undefined) module.register(import.meta.url)
  else module.registerHooks({ resolve, load })
}

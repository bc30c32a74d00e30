/**
 * Builds the page of `it-grid/inspector` into `dist/`, where its listener finds it: one script, one style, one document.
 *
 * Plain JavaScript, as it is a step of the build. Specs and the demo call it, who run the library from its sources.
 */

import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const target = fileURLToPath(new URL('../../../../dist/extras/inspector/page/', import.meta.url))

export async function buildPage() {
  // Others may be building or reading it: files are replaced, never half written.
  const draft = `${target}${process.pid}/`
  await mkdir(draft, { recursive: true })
  await build({
    absWorkingDir: here,
    entryPoints: { page: 'main.tsx' },
    outdir: draft,
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['chrome123', 'firefox120', 'safari17.5'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    logLevel: 'warning'
  })
  await cp(`${here}index.html`, `${draft}index.html`)
  for (const name of ['page.js', 'page.css', 'index.html']) await rename(draft + name, target + name)
  await rm(draft, { recursive: true })
  return target
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = await buildPage()
  const sizes = await Promise.all(['page.js', 'page.css', 'index.html'].map((name) => readFile(folder + name)))
  console.log(`the page of it-grid/inspector: ${sizes.reduce((sum, { length }) => sum + length, 0)} bytes`)
}

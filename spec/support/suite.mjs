/**
 * Runs the files that it is given as `node --test` does, but several in one process: to start one, with all that it
 * imports, takes longer than most files do. `npm run spec` gives it all that there are.
 *
 * A file has a process of its own where what it does is meant for all of a process: hooks outside of a `describe`, taking
 * no coverage, and times by the pace that the machine has at the start. What is told is Node's TAP, with one line per
 * passed suite instead of one block per passed test; failures are told whole, and the closing counts ("# tests", "# pass",
 * "# fail") are the test runner's own.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { run } from 'node:test'
import { tap } from 'node:test/reporters'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = new URL(`../../node_modules/.cache/it-grid-suite/${process.pid}/`, import.meta.url)
const filesInOne = 8
/**
 * What specs put others in the place of for a while must be there again for the files behind them, and whoever ends the process
 * ends those with it.
 */
const check = `
import assert from 'node:assert/strict'
import { after } from 'node:test'
const read = () => [performance.now, Date, Date.now, Math.random, setTimeout, clearTimeout, setInterval, AbortController]
const before = read()
let isOver = false
process.on('exit', () => {
  if (!isOver) process.exitCode = 1
})
after(() => {
  isOver = true
})
after(() => read().forEach((now, at) => assert.equal(now, before[at], before[at].name + ': another was left behind')))
`
const meantForAll = /^(before|after)(Each)?\(|\/support\/uncovered\.ts'|^const \w+ = paced\(/m

/** Each runs in a process of its own. */
const entries = []
const together = []
for (const file of process.argv.slice(2)) {
  const list = meantForAll.test(readFileSync(file, 'utf8')) ? entries : together
  list.push(file)
}

mkdirSync(folder, { recursive: true })
// Evaluated before the specs: those of a file may run while a later one is still imported.
writeFileSync(new URL('check.mjs', folder), check)
process.on('exit', () => rmSync(folder, { recursive: true }))
for (let at = 0; at * filesInOne < together.length; at++) {
  const files = together.slice(at * filesInOne, (at + 1) * filesInOne)
  const imports = files.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)}\n`)
  writeFileSync(new URL(`${at}.mjs`, folder), `import './check.mjs'\n${imports.join('')}`)
  entries.push(fileURLToPath(new URL(`${at}.mjs`, folder)))
}

run({ files: entries, concurrency: 4, timeout: 900_000 })
  .on('test:fail', ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1
  })
  .compose(report)
  .pipe(process.stdout)

async function* report(events) {
  yield* tap(shortened(events))
}

async function* shortened(events) {
  for await (const event of events) {
    const { data } = event
    if (event.type === 'test:start' || (event.type === 'test:plan' && data.nesting > 0)) continue
    const isPlainPass = event.type === 'test:pass' && data.skip === undefined && data.todo === undefined
    if (!isPlainPass) yield event
    else if (data.nesting === 0) yield passed(data.name, data.details.duration_ms)
  }
}

function passed(name, durationMs) {
  return { type: 'test:diagnostic', data: { nesting: 0, message: `ok: ${name} (${Math.round(durationMs)} ms)` } }
}

/**
 * How `npm test` reports: Node's TAP, with one line per passed suite instead of one block per passed test.
 *
 * Failures are told whole, and the closing counts ("# tests", "# pass", "# fail") are the test runner's own. Plain
 * JavaScript with a default export, because the test runner itself loads it, and has no loader for TypeScript.
 */

import { tap } from 'node:test/reporters'

export default async function* report(events) {
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

/** Three servers are replaced by those of the next version, one after the other, while calls go on. It counts what is lost. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startServer, work } from './server.ts'

/** A port that stays free while a server is replaced: none of those that the system gives to outgoing conns. */
async function freeName(): Promise<string> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    probe.close()
    await once(probe, 'close')
    return `http://127.0.0.1:${port}`
  }
}

const hosts = [await freeName(), await freeName(), await freeName(), await freeName()]
const [callerName, ...names] = hosts as [string, ...string[]]
const caller = await startServer(callerName, hosts, 0)
const servers = await Promise.all(names.map((name) => startServer(name, hosts, 1)))
await Promise.all([caller, ...servers].map(({ grid }) => grid.waitForPeers()))

const answered = new Map([
  [1, 0],
  [2, 0]
])
let [lost, isOver] = [0, false]
const lanes = Array.from({ length: 20 }, async () => {
  for (let n = 0; !isOver; n++) {
    try {
      const { version } = await caller.grid.any(work, n, { hosts: names, waitForReady: true })
      answered.set(version, (answered.get(version) ?? 0) + 1)
    } catch (error) {
      lost++
      console.log(error)
    }
  }
})
/** Some more calls are answered by a version. */
const more = async (version: number) => {
  const from = answered.get(version) ?? 0
  while ((answered.get(version) ?? 0) < from + 100) await delay(1)
}

await more(1)
for (const [index, name] of names.entries()) {
  await servers[index]?.close()
  servers[index] = await startServer(name, hosts, 2)
  await servers[index]?.grid.waitForPeers()
  await more(2)
}
isOver = true
await Promise.all(lanes)

assert.deepEqual([...answered.keys()], [1, 2])
console.log(`version 1 has answered ${answered.get(1)} calls, version 2 has answered ${answered.get(2)}`)
console.log(`lost: ${lost}`)

await Promise.all([caller, ...servers].map((server) => server.close()))
process.exitCode = lost === 0 ? 0 : 1

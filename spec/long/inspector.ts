/**
 * The page of a grid for a long time: servers that are processes call each other's handlers, while several pages are open, one
 * of them in a browser. What that costs the serving process, the others and the browser is bounded, and the same at the end.
 *
 *     node --import ./spec/support/typescript.mjs spec/long/inspector.ts --minutes 10 --servers 32 --handlers 200 --pages 10
 */

import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { goTo, keepPicture, patienceMs, startBrowser, whyNoBrowser } from '../inspector/browser.ts'
import { framesOf } from '../inspector/frames.ts'
import type { Words } from '../inspector/server.ts'
import { freePort } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'

const {
  minutes,
  servers: count,
  handlers,
  pages,
  rate
} = optionsOf({
  ...{ minutes: 10, servers: 32, handlers: 200, pages: 10 },
  /** Calls per second of each server. */
  rate: 10
})
const source = new URL('../inspector/server.ts', import.meta.url)
const mostBytesPerSecond = 20_480
const mostNodes = 5000
const lookMs = 20_000

const startedMs = performance.now()
function log(text: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(`${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')} ${text}`)
}

function check(isRight: boolean, text: string): void {
  log(`${isRight ? '✓' : 'WRONG'} ${text}`)
  if (!isRight) process.exitCode = 1
}

const mebi = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`
const kibi = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`

/** Reads a feed, and counts what comes. */
class Reader {
  bytes = 0
  readonly #abort = new AbortController()

  constructor(url: string) {
    void this.#read(url).catch(() => undefined)
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(url: string): Promise<void> {
    const { body } = await fetch(url, { signal: this.#abort.signal })
    for await (const chunk of body ?? []) this.bytes += chunk.length
  }
}

const hosts = Array.from({ length: count }, (_, at) => `http://node-${String(at + 1).padStart(2, '0')}.test:9000`)
const ports = await Promise.all([buildPage(), ...hosts.map(freePort)])
const urls = Object.fromEntries(hosts.map((host, at) => [host, `http://127.0.0.1:${ports[at + 1]}`]))
const servers: Child<Words>[] = []
const here = () => servers[0] as Child<Words>
const url = `${urls[hosts[0] ?? '']}/inspector/`

async function start(): Promise<void> {
  for (const local of hosts) {
    const init = { local, hosts, urls, port: Number(new URL(urls[local] ?? '').port), keepAliveMs: 5000 }
    servers.push(new Child<Words>(source, init))
    // Some at a time.
    if (servers.length % 4 === 0) await Promise.all(servers.slice(-4).map((server) => server.ask('listening')))
  }
  for (const server of servers) await server.ask('many', handlers)
  log(`${count} processes`)
  for (const server of servers) await server.ask('chatter', rate, handlers)
}

/** What some time costs the process of the page, and those of the others together. */
async function costOf(what: string): Promise<void> {
  const cpuMs = async () => Promise.all(servers.map(async (server) => (await server.ask('cost')).cpuMs))
  const [before, beganMs] = [await cpuMs(), performance.now()]
  await delay(lookMs)
  const after = await cpuMs()
  const seconds = (performance.now() - beganMs) / 1000
  const used = after.map((ms, at) => (ms - (before[at] ?? 0)) / seconds)
  const others = used.slice(1).reduce((sum, ms) => sum + ms, 0) / Math.max(1, count - 1)
  log(
    `${what}: ${(used[0] ?? 0).toFixed(0)} ms of a processor a second here, ${others.toFixed(0)} ms at each other server`
  )
}

async function feedRate(reader: Reader): Promise<number> {
  const [bytes, beganMs] = [reader.bytes, performance.now()]
  await delay(lookMs)
  return ((reader.bytes - bytes) / (performance.now() - beganMs)) * 1000
}

async function watchOne(): Promise<void> {
  const reader = new Reader(`${url}feed`)
  await delay(lookMs)
  const perSecond = await feedRate(reader)
  check(perSecond <= mostBytesPerSecond, `${kibi(perSecond)} a second to a page`)
  await costOf('one page open')
  reader.close()
}

async function watchLong(): Promise<void> {
  const readers = Array.from({ length: pages - 1 }, () => new Reader(`${url}feed`))
  const browser = await startBrowser()
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
    page.setDefaultTimeout(5 * patienceMs)
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
    await page.goto(url)
    await page.locator('.answers').waitFor()
    const metric = async (name: string) => {
      const { metrics } = await devtools.send('Performance.getMetrics')
      return metrics.find((each) => each.name === name)?.value ?? Number.NaN
    }
    const heap = async () => {
      await devtools.send('HeapProfiler.collectGarbage')
      return metric('JSHeapUsedSize')
    }
    const look = async () => ({ page: await heap(), nodes: await metric('Nodes'), ...(await here().ask('cost')) })
    await costOf(`${pages} pages open`)
    const { running } = (await servers[1]?.ask('cost')) ?? { running: {} as Record<string, number> }
    check(running.watch === 1 && running.events === 1, `all pages share one look: ${JSON.stringify(running)}`)
    // A collection does not find everything at once: what is held is the least of some looks.
    const looks = [await look()]
    for (let minute = 1; minute <= minutes; minute++) {
      await delay(60_000)
      const now = await look()
      looks.push(now)
      const taken = readers.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1, readers.length)
      log(
        `page ${mebi(now.page)}, serving process ${mebi(now.heapBytes)}, buffers ${mebi(now.externalBytes)}, told ${mebi(taken)}`
      )
    }
    const middle = Math.ceil(looks.length / 2)
    const held = (of: 'page' | 'heapBytes') =>
      [looks.slice(1, middle + 1), looks.slice(middle)].map((half) => Math.min(...half.map((each) => each[of])))
    for (const [what, of] of [['page', 'page'] as const, ['serving process', 'heapBytes'] as const]) {
      const [early = 0, late = 0] = held(of)
      const text = `the ${what} holds ${mebi(late)} in the second half, ${mebi(early)} in the first`
      check(late < early * 1.25 + 4_194_304, text)
    }
    for (const screen of ['now', 'servers', 'handlers']) {
      await goTo(page, screen)
      await page.locator('.panel').first().waitFor()
      const { frames, longest } = await framesOf(page, 5000)
      const busyBefore = await metric('TaskDuration')
      await delay(5000)
      const busy = ((await metric('TaskDuration')) - busyBefore) / 5
      const nodes = await page.locator('*').count()
      log(
        `${screen}: ${(frames / 5).toFixed(0)} frames a second while it scrolls, the longest task ${longest.toFixed(0)} ms`
      )
      check(nodes <= mostNodes, `${screen}: ${nodes} nodes, busy for ${(busy * 100).toFixed(0)} % at rest`)
      await keepPicture(page, `long-${screen}`)
    }
  } finally {
    await browser.close()
    for (const reader of readers) reader.close()
  }
}

try {
  if (whyNoBrowser !== false) throw new Error(whyNoBrowser)
  await start()
  await delay(5000)
  await costOf('no page open')
  await watchOne()
  await watchLong()
} finally {
  await Promise.all(servers.map((server) => server.kill()))
}

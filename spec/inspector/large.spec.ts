/** What the page costs in the browser with 32 servers and 200 handlers, now and after an hour. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { until } from '../support/until.ts'
import { complaintsOf, goTo, keepPicture, patienceMs, shown, startBrowser, whyNoBrowser } from './browser.ts'
import { framesOf } from './frames.ts'
import { FakeFeed } from './large-grid.ts'

const hour = 3600
/** Ticks of a speeded-up hour that the page takes at once. */
const burst = 20
const mostNodes = 5000
/** Of a processor: what it may take to show ticks, on a machine that is several times slower than usual ones. */
const mostBusy = 0.08
const ticks = 5

/** Scripts of the page: what is changed of cells that are neither old nor down, whose ages grow. */
const watchCells = `
  globalThis.touched = {}
  new MutationObserver((records) => {
    for (const { target } of records) {
      const cell = (target.nodeType === 1 ? target : target.parentElement).closest('td.cell')
      if (cell === null || /old|down|try/.test(cell.className)) continue
      const place = cell.parentElement.rowIndex + ' ' + cell.cellIndex
      touched[place] = (touched[place] ?? 0) + 1
    }
  }).observe(document.querySelector('.matrix'), { subtree: true, childList: true, attributes: true, characterData: true })`

describe('the page with 32 servers and 200 handlers', { skip: whyNoBrowser }, () => {
  const feed = new FakeFeed({ servers: 32, handlers: 200, trouble: true })
  const server = feed.server
  let browser: Browser
  let page: Page
  let devtools: CDPSession
  let complaints: string[] = []

  before(async () => {
    await Promise.all([buildPage(), once(server.listen(0, '127.0.0.1'), 'listening')])
    browser = await startBrowser()
    page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, colorScheme: 'dark' })
    page.setDefaultTimeout(patienceMs)
    complaints = complaintsOf(page)
    devtools = await page.context().newCDPSession(page)
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`)
    await page.locator('.matrix td.cell').nth(1000).waitFor()
  })

  after(async () => {
    await browser?.close()
    server.closeAllConnections()
    server.close()
  })

  const metric = async (name: string) => {
    const { metrics } = await devtools.send('Performance.getMetrics')
    return metrics.find((each) => each.name === name)?.value ?? Number.NaN
  }

  it('has few nodes on each screen, also where all handlers are listed', async (test) => {
    for (const screen of ['now', 'servers', 'handlers', 'events', 'trace']) {
      await goTo(page, screen)
      await page.locator('h1').first().waitFor()
      const nodes = await page.evaluate(
        () =>
          (
            globalThis as unknown as { document: { querySelectorAll(of: string): { length: number } } }
          ).document.querySelectorAll('*').length
      )
      test.diagnostic(`${screen}: ${nodes} nodes`)
      assert.ok(nodes < mostNodes, `${screen} has ${nodes} nodes`)
      await keepPicture(page, `8-large-${screen}`)
    }
  })

  it('takes a twelfth of a processor at most to show what it is told each second, and has the rest to scroll', async (test) => {
    for (const screen of ['now', 'handlers']) {
      await goTo(page, screen)
      await page.locator('.handlers tbody tr').nth(5).waitFor()
      const scrolled = await busyWhile(() => framesOf(page, ticks * 1000))
      const rest = await busyWhile(() => new Promise((resolve) => setTimeout(resolve, ticks * 1000)))
      const percent = ({ busy }: { readonly busy: number }) => `${(busy * 100).toFixed(0)} %`
      test.diagnostic(
        `${screen}: ${scrolled.value.frames} frames in ${ticks} s while it scrolls, the longest task ${scrolled.value.longest.toFixed(0)} ms; busy ${percent(scrolled)}, at rest ${percent(rest)}`
      )
      assert.ok(rest.busy < mostBusy, `at rest it is busy for ${percent(rest)}`)
    }
  })

  /** The share of a processor that the page takes meanwhile. */
  const busyWhile = async <T>(act: () => Promise<T>) => {
    const [startedBusy, startedMs] = [await metric('TaskDuration'), performance.now()]
    const timer = setInterval(() => feed.tick(), 1000)
    const value = await act()
    clearInterval(timer)
    const seconds = (performance.now() - startedMs) / 1000
    return { value, busy: ((await metric('TaskDuration')) - startedBusy) / seconds }
  }

  it('touches no cell of the matrix but those that it is told of, each once for its name and once for its colour', async (test) => {
    await goTo(page, 'now')
    await page.locator('.matrix td.cell').nth(1000).waitFor()
    const drawn = () => shown(page, '[data-answer="slow"] .d', new RegExp(`^tick ${feed.ticks} `))
    feed.tick()
    await drawn()
    await page.evaluate(watchCells)
    feed.cellsTold.clear()
    feed.tick()
    await drawn()
    const touched = await page.evaluate<Record<string, number>>('touched')
    const places = Object.keys(touched)
    test.diagnostic(`${places.length} cells touched of ${feed.cellsTold.size} told`)
    assert.ok(places.length > 10)
    assert.deepEqual(
      places.filter((place) => !feed.cellsTold.has(place)),
      []
    )
    assert.ok(Object.values(touched).every((times) => times <= 2))
  })

  it('has the state of the grid in its title, also where its tab is not looked at, so that nothing is drawn', async () => {
    const hidden = await browser.newPage()
    await hidden.addInitScript('requestAnimationFrame = () => 1')
    await hidden.goto(page.url())
    await until(async () => /^✕ 1 gone · now/.test(await hidden.title()), 'the title says it', patienceMs)
    await hidden.close()
  })

  it('holds no more memory after an hour than after ten minutes', async (test) => {
    await goTo(page, 'now')
    const heap = async () => {
      await devtools.send('HeapProfiler.collectGarbage')
      return await metric('JSHeapUsedSize')
    }
    // Watched in the page: to ask it over and over from here would take as much of a processor as all that it draws.
    const drawn = (ticks: number) =>
      page.waitForFunction(
        `document.querySelector('[data-answer="slow"] .d').textContent.startsWith('tick ${ticks} ')`,
        undefined,
        { polling: 'raf', timeout: patienceMs }
      )
    const take = async (ticks: number) => {
      for (let at = 0; at < ticks; at += burst) {
        for (let each = 0; each < burst; each++) feed.tick()
        await drawn(feed.ticks)
      }
    }
    await take(hour / 6)
    const early = await heap()
    await take((hour * 5) / 6)
    const late = await heap()
    const mebi = (bytes: number) => (bytes / 1_048_576).toFixed(1)
    test.diagnostic(`${mebi(early)} MiB after ten minutes, ${mebi(late)} MiB after an hour`)
    assert.ok(late < early * 1.25 + 1_048_576, `${mebi(early)} MiB, then ${mebi(late)} MiB`)
    assert.deepEqual(complaints, [])
  })
})

/** The page on a phone, when all it tells is long: old figures, long waits, long texts of peers. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { ConnectionDetail, Lane } from '../../lib/extras/inspector/model.ts'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { complaintsOf, goTo, keepPicture, patienceMs, startBrowser, whyNoBrowser } from './browser.ts'
import { FakeFeed } from './large-grid.ts'

const [a, b] = ['http://node-01.test:9000', 'http://node-02.test:9000']
const hourMs = 3_600_000
const long = `Error:${'x'.repeat(190)}`

function detail(): ConnectionDetail {
  const at = Date.now()
  const lane: Lane = {
    ...{ key: 'k', handler: `tail/${'y'.repeat(190)}`, handlerKey: 'streaming tail', id: 1_234_567 },
    ...{ from: a, to: b, direction: 'responses', blame: 'receiver', severity: 'bad', since: at - hourMs * 400 },
    ...{ sender: 'stands at its yield, for 999 min', receiver: 'takes nothing, for 999 min', verdict: long },
    ...{ openedAt: at - 1e12, totalBytes: 4e15, totalMessages: 4e15 },
    bar: {
      ...{ unit: 'bytes', capacity: 4e15, free: 0, onTheWay: 1e15, unread: 2e15, owed: 1e15 },
      other: 'messages: 4000000000000000 of 4000000000000000'
    }
  }
  const event = { seq: 1, id: 1, at: at - 1e12, severity: 'bad' as const, title: long, detail: long, hosts: [a, b] }
  return {
    ...{ at, a, b, title: { severity: 'bad', text: long }, open: long, lanes: [lane], events: [event] },
    rows: [
      ['last sign of life', '999 min ago (999 min old)', long],
      ['sent', '4000000000000000 messages, 3814697265.6 MiB', '4000000000000000 messages, 3814697265.6 MiB']
    ]
  }
}

describe('the page on a phone', { skip: whyNoBrowser }, () => {
  const feed = new FakeFeed({ servers: 4, handlers: 3 })
  // They have nothing in common that could be left out.
  const hosts = [
    'https://storage-of-the-north-1.internal:8443',
    'http://10.128.200.117:9000',
    'http://c.example:80',
    'http://d:1'
  ]
  const unlike = new FakeFeed({ servers: 4, handlers: 3, hosts })
  const server = feed.server
  let browser: Browser
  let page: Page
  let complaints: string[] = []

  before(async () => {
    await Promise.all([buildPage(), once(server.listen(0, '127.0.0.1'), 'listening')])
    browser = await startBrowser()
    page = await browser.newPage({ viewport: { width: 390, height: 900 } })
    page.setDefaultTimeout(patienceMs)
    complaints = complaintsOf(page)
    await page.route(/\/connection\?/, (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `retry: 600000\n\ndata: ${JSON.stringify(detail())}\n\n`
      })
    )
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`)
    await page.locator('.answers').waitFor()
  })

  after(async () => {
    await browser?.close()
    server.closeAllConnections()
    server.close()
  })

  it('is not wider than the phone, whatever is told of a connection, and when nothing was told for hours', async () => {
    // As if the last word were that old.
    await page.evaluate((byMs) => {
      const now = performance.now.bind(performance)
      performance.now = () => now() + byMs
    }, 5 * hourMs)
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 900 })
      for (const screen of ['now', `conn/${encodeURIComponent(a)}/${encodeURIComponent(b)}`]) {
        await goTo(page, screen)
        await page
          .locator(screen === 'now' ? '.answers' : '.lane')
          .first()
          .waitFor()
        await fits(page, screen, width)
        await keepPicture(page, `9-long-${width}-${screen.split('/')[0]}`, true)
      }
    }
    assert.deepEqual(complaints, [])
  })

  it('is not wider than the phone where servers have long names, with nothing in common', async () => {
    const other = unlike.server.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const phone = await browser.newPage()
    phone.setDefaultTimeout(patienceMs)
    await phone.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/inspector/`)
    await phone.locator('.answers').waitFor()
    for (const width of [320, 390]) {
      await phone.setViewportSize({ width, height: 900 })
      for (const screen of ['now', 'servers', 'handlers', 'waits', 'events', 'trace']) {
        await goTo(phone, screen)
        await phone
          .locator(screen === 'now' ? '.answers' : 'h1')
          .first()
          .waitFor()
        await fits(phone, screen, width)
      }
    }
    await phone.close()
    other.closeAllConnections()
    other.close()
  })
})

async function fits(page: Page, screen: string, width: number): Promise<void> {
  const found = await page.evaluate((most) => {
    interface Element {
      readonly className: string
      readonly innerText: string
      getBoundingClientRect(): { readonly right: number }
    }
    interface Doc {
      readonly documentElement: { readonly scrollWidth: number }
      querySelectorAll(of: string): Iterable<Element>
    }
    const { document: doc } = globalThis as unknown as { document: Doc }
    const wide = [...doc.querySelectorAll('body *')].filter((each) => each.getBoundingClientRect().right > most)
    const last = wide.at(-1)
    return { width: doc.documentElement.scrollWidth, by: `${last?.className}: ${last?.innerText}` }
  }, width)
  assert.ok(found.width <= width, `${screen} is ${found.width} px wide at ${width}, by ${found.by}`)
}

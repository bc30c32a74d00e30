/** What the page says in a browser of what it does not show, by a feed that is made up. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { goTo, patienceMs, shown, startBrowser, whyNoBrowser } from './browser.ts'
import { FakeFeed } from './large-grid.ts'

describe('the page', { skip: whyNoBrowser }, () => {
  const feed = new FakeFeed({ servers: 2, handlers: 5 })
  const server = feed.server
  let browser: Browser
  let page: Page

  before(async () => {
    await Promise.all([buildPage(), once(server.listen(0, '127.0.0.1'), 'listening')])
    browser = await startBrowser()
    page = await browser.newPage()
    page.setDefaultTimeout(patienceMs)
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`)
    await page.locator('.matrix td.cell').first().waitFor()
  })

  after(async () => {
    await browser?.close()
    server.closeAllConnections()
    server.close()
  })

  it('says how many handlers it does not show, where it lists them and where one is not found', async () => {
    await goTo(page, 'handlers')
    assert.equal(await shown(page, '.title .muted', /servers/), '5 on 2 servers')
    feed.handlersNotShown = 8000
    feed.tick()
    await shown(page, '.title .muted', /^5 on 2 servers, 8\s000 not shown$/)
    await page.locator('#find').fill('nowhere')
    await shown(page, '#main', /5 handlers have other names, 8\s000 not shown\./)
    await goTo(page, 'handler/single%20nowhere')
    await shown(page, '#main', /one of the 8\s000 handlers that are not shown/)
  })
})

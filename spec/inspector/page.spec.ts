/** What the page says in a browser of what it does not show, and what it does when nobody tells it anything, by a feed that is made up. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { until } from '../support/until.ts'
import { goTo, patienceMs, shown, startBrowser, whyNoBrowser } from './browser.ts'
import { FakeFeed } from './large-grid.ts'

describe('the page', { skip: whyNoBrowser }, () => {
  const feed = new FakeFeed({ servers: 2, handlers: 5 })
  const server = feed.server
  let browser: Browser
  let page: Page
  let address = ''

  before(async () => {
    await Promise.all([buildPage(), once(server.listen(0, '127.0.0.1'), 'listening')])
    browser = await startBrowser()
    page = await browser.newPage()
    page.setDefaultTimeout(patienceMs)
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`
    await page.goto(address)
    await page.locator('.matrix td.cell').first().waitFor()
  })

  // Who is told nothing asks again after ten real seconds, which the others would count.
  afterEach(() => Promise.all(browser.contexts().map((context) => context.close())))

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

  /** Another one, whose clock is in the hands of the spec, with the feeds that were asked for since. */
  const openAnother = async (hash = '') => {
    feed.asked.length = 0
    const another = await browser.newPage()
    another.setDefaultTimeout(patienceMs)
    await another.clock.install()
    await another.addInitScript(() => {
      const page = globalThis as unknown as { EventSource: typeof EventSource; sources: EventSource[] }
      page.sources = []
      page.EventSource = class extends EventSource {
        constructor(url: string | URL) {
          super(url)
          page.sources.push(this)
        }
      }
    })
    await another.goto(`${address}#${hash}`)
    const isHeard = () =>
      another.evaluate(() =>
        (globalThis as unknown as { sources: EventSource[] }).sources.every(({ readyState }) => readyState > 0)
      )
    /** And the page knows of the answers: what it waits for from then on is something else. */
    const asked = async (...names: readonly string[]) => {
      const isAsked = () => [...feed.asked].sort().join() === names.join()
      await until(isAsked, `${names} are asked for`, patienceMs).catch(({ message }: Error) =>
        assert.fail(`${message}; these were: ${feed.asked}`)
      )
      await until(isHeard, `${names} are answered`, patienceMs)
    }
    /** So long nothing is heard. */
    const pass = async (ms: number) => {
      await another.clock.fastForward(ms)
      await another.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)))
    }
    return { another, asked, pass }
  }

  it('asks for all its feeds again once it has heard nothing for ten seconds, as after a sleep of its machine', async () => {
    const { another, asked, pass } = await openAnother('handler/single%20thumbs%2Frender')
    await shown(another, 'h1', /thumbs\/render/)
    await asked('feed', 'handler')
    for (let at = 0; at < 3; at++) {
      await pass(5000)
      feed.tick()
      await goTo(another, 'now')
      await shown(another, '[data-answer="slow"] .d', new RegExp(`^tick ${feed.ticks}$`))
    }
    await goTo(another, 'handler/single%20thumbs%2Frender')
    await asked('feed', 'handler', 'handler')
    await pass(5000)
    await asked('feed', 'handler', 'handler')
    await pass(5000)
    await asked('feed', 'feed', 'handler', 'handler', 'handler')
  })

  it('waits a minute for the first word, which has all, and may be long on the way', async (test) => {
    feed.isMute = true
    test.after(() => {
      feed.isMute = false
    })
    const { asked, pass } = await openAnother()
    await asked('feed')
    await pass(40_000)
    await asked('feed')
    await pass(20_000)
    await asked('feed', 'feed')
  })

  it('hears why it is refused by a rule that takes ten seconds to decide', async (test) => {
    const { another, asked, pass } = await openAnother()
    await asked('feed')
    const undecided: (() => void)[] = []
    feed.undecided = undecided
    test.after(() => {
      Object.assign(feed, { undecided: undefined, refusal: '', status: 503 })
    })
    Object.assign(feed, { refusal: 'The rule said no.', status: 403 })
    await pass(10_000)
    // The feed, and then the same as a file: a browser tells nobody what a feed is refused with.
    for (let times = 1; times <= 2; times++) {
      await until(() => undecided.length === times, `it is asked for ${times} times`, patienceMs)
      await pass(10_000)
      assert.equal(undecided.length, times)
      undecided.at(-1)?.()
    }
    await shown(another, '#main', /You may not look at this grid/)
  })

  it('says why it is told nothing, as the server says, of itself and of a detail, and goes on once it is told', async (test) => {
    feed.refusal = '16 pages are open.\n'
    const { another, pass } = await openAnother('handler/single%20thumbs%2Frender')
    await shown(another, '.banner', /^16 pages are open\. Tries again/)
    feed.status = 403
    await pass(2000)
    await shown(another, '#main', /You may not look at this grid/)
    assert.equal(await another.locator('.banner').count(), 0)
    feed.status = 503
    feed.refusal = ''
    await pass(2000)
    await shown(another, 'h1', /thumbs\/render/)
    await another.locator('.banner').waitFor({ state: 'detached' })
    const ticks = setInterval(() => feed.tick(), 500)
    test.after(() => clearInterval(ticks))
    await goTo(another, 'now')
    await another.locator('.matrix').waitFor()
    feed.refusal = '16 details are open.'
    await goTo(another, 'handler/single%20thumbs%2Frender')
    await shown(another, '.banner', /^16 details are open\.$/)
    feed.refusal = ''
    await pass(2000)
    await another.locator('.banner').waitFor({ state: 'detached' })
  })

  it('has in the title of its tab that nobody tells it anything, in place of what was told last', async () => {
    const { another, pass } = await openAnother()
    const says = (title: RegExp) => until(async () => title.test(await another.title()), String(title), patienceMs)
    await says(/^✓ · now/)
    feed.refusal = 'It closes.'
    await pass(10_000)
    await says(/^✕ no word · now/)
    feed.status = 403
    await pass(2000)
    await says(/^✕ refused · now/)
    feed.status = 503
    feed.refusal = ''
    await pass(2000)
    await says(/^✓ · now/)
  })

  const look = (tab: Page, isHidden: boolean) =>
    tab.evaluate((hidden) => {
      const { document, Event } = globalThis as unknown as { document: EventTarget; Event: typeof globalThis.Event }
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, isHidden)

  it('lets go of its feeds in a tab that nobody looks at, but for looks at the state, and is told all once somebody does', async () => {
    const { another, asked, pass } = await openAnother('handler/single%20thumbs%2Frender')
    const open = () => [...feed.open.values()].sort().join()
    const isOpen = (...names: readonly string[]) =>
      until(() => open() === names.join(), `${names} are open`, patienceMs).catch(({ message }: Error) =>
        assert.fail(`${message}; these are: ${open()}; asked for: ${feed.asked}`)
      )
    await shown(another, 'h1', /thumbs\/render/)
    await isOpen('feed', 'handler')
    await look(another, true)
    await pass(4000)
    await look(another, false)
    await pass(4000)
    await look(another, true)
    await pass(4000)
    await isOpen('feed', 'handler')
    await pass(1000)
    await isOpen()
    await pass(15_000)
    await isOpen('feed')
    const isOver = () => {
      feed.tick()
      return feed.open.size === 0
    }
    await until(isOver, 'it has looked long enough', patienceMs)
    feed.refusal = 'It closes.'
    await pass(15_000)
    await until(async () => /^✕ no word/.test(await another.title()), 'its title is not that of then', patienceMs)
    feed.refusal = ''
    feed.asked.length = 0
    await look(another, false)
    await pass(2000)
    await asked('feed', 'handler')
    await isOpen('feed', 'handler')
    await another.locator('.banner').waitFor({ state: 'detached' })
  })

  it('leaves conns to the next tab of a browser, however many there are that nobody looks at', async () => {
    const context = await browser.newContext()
    context.setDefaultTimeout(patienceMs)
    const detail = `${address}#handler/single%20thumbs%2Frender`
    for (let at = 0; at < 8; at++) {
      const tab = await context.newPage()
      await tab.clock.install()
      await tab.goto(detail)
      await shown(tab, 'h1', /thumbs\/render/)
      await look(tab, true)
      await tab.clock.fastForward(5000)
    }
  })

  it('is its first screen where its address is none of it, whatever that says', async () => {
    const { another } = await openAnother('constructor')
    const errors: string[] = []
    another.on('pageerror', (error) => errors.push(String(error)))
    for (const hash of ['constructor', '__proto__', 'hasOwnProperty', 'toString', 'nothing', '%', '&&']) {
      await goTo(another, 'waits')
      await shown(another, 'h1', /Waits/)
      await goTo(another, hash)
      await another.locator('.answers').waitFor()
    }
    assert.deepEqual(errors, [])
  })
})

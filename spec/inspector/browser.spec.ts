/** The page in a real browser, before a grid of four processes to which things happen. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { paced } from '../support/clock/pace.ts'
import { freePort } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { complaintsOf, goTo, keepPicture, patienceMs, shown, startBrowser, whyNoBrowser } from './browser.ts'
import type { Words } from './server.ts'

const names = ['node-1', 'node-2', 'node-3', 'node-4']
const hosts = names.map((name) => `http://${name}.test:9000`)
const [one = '', two = '', three = '', four = ''] = hosts
const source = new URL('./server.ts', import.meta.url)
const axe = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

const connection = `conn/${encodeURIComponent(one)}/${encodeURIComponent(two)}`
const handler = `handler/${encodeURIComponent('single thumbs/render')}`
const usual = { width: 1440, height: 1130 }
const screens = ['now', 'servers', 'handlers', handler, connection, 'waits', 'events', 'trace']

describe('the page in a browser', { skip: whyNoBrowser }, () => {
  let urls: Record<string, string> = {}
  const servers = new Map<string, Child<Words>>()
  const server = (host: string) => servers.get(host) as Child<Words>
  let browser: Browser
  let page: Page
  let complaints: string[] = []

  const start = (local: string) => {
    const port = Number(new URL(urls[local] ?? '').port)
    servers.set(local, new Child<Words>(source, { local, hosts, urls, port }))
    return server(local).ask('listening')
  }
  const answer = (id: string, text: RegExp) => shown(page, `[data-answer="${id}"]`, text)

  before(async () => {
    const ports = await Promise.all([buildPage(), ...hosts.map(freePort)])
    urls = Object.fromEntries(hosts.map((host, at) => [host, `http://127.0.0.1:${ports[at + 1]}`]))
    await Promise.all(hosts.map(start))
    browser = await startBrowser()
    page = await browser.newPage({ viewport: usual, colorScheme: 'light' })
    page.setDefaultTimeout(patienceMs)
    complaints = complaintsOf(page)
    await Promise.all(hosts.map((host) => server(host).ask('usual', 500)))
    await Promise.all(hosts.map((host) => server(host).ask('work', 2, 200)))
    await page.goto(`${urls[one]}/inspector/`)
  })

  after(async () => {
    await browser?.close()
    await Promise.all([...servers.values()].map((each) => each.kill()))
  })

  beforeEach(() => page.setViewportSize(usual))

  it('shows four servers that are well', async () => {
    assert.match(await answer('connected', /Yes, all 4/), /6 connections/)
    await page.locator('td.cell.q0,td.cell.q1,td.cell.q2,td.cell.q3,td.cell.q4').nth(11).waitFor()
    await shown(page, '.handlers tr', /thumbs\/render/)
    await keepPicture(page, '1-healthy')
  })

  it('shows a stalled stream: who waits for whom, since when, and a full window whose parts add up', async () => {
    await server(one).ask('stall', two)
    await server(four).ask('quiet', one)
    await answer('waits', /node-2 waits for node-1/)
    const bar = page.locator('#waits [data-window]').first()
    const [free, way, unread, owed, capacity] = (await bar.getAttribute('data-window'))?.split(' ').map(Number) ?? []
    assert.deepEqual([free, capacity], [0, 16])
    assert.equal(Number(free) + Number(way) + Number(unread) + Number(owed), capacity)
    await goTo(page, connection)
    await shown(page, '.lane .head', /logs\/tail.*node-2 waits for node-1/s)
    assert.equal(await page.locator('.end.blame').innerText(), await page.locator('.end.r').first().innerText())
    assert.match(await page.locator('.end.blame').innerText(), /node-1 consumer\s+takes nothing, for/)
    await keepPicture(page, '2-connection')
    await goTo(page, 'now')
    await keepPicture(page, '2-stalled')
  })

  it('raises no alarm for a feed that is only quiet', async () => {
    await goTo(page, 'waits')
    await shown(page, '#quiet .wait', /meta\/watch/)
    assert.equal(await page.locator('#waits .wait', { hasText: 'meta/watch' }).count(), 0)
    await goTo(page, 'now')
  })

  it('shows a handler that is slow at one server: the answer, its line, its small chart alone', async () => {
    await server(two).ask('slow', 3000)
    await answer('slow', /thumbs\/render at node-2/)
    await page.locator('.handlers tr', { hasText: 'thumbs/render' }).locator('path.l.hot').waitFor()
    await goTo(page, handler)
    await page.locator('.strip canvas').nth(2).waitFor()
    await shown(page, '.mini figure', /node-2/)
    await shown(page, '.mini figcaption .bad', /^[\d.]+\s+s$/)
    await shown(page, '.strip .last', /p99 [\d.]+\s+s/)
    const hot = await page.locator('.mini figure', { has: page.locator('.hot') }).allInnerTexts()
    assert.ok(hot.length === 1 && hot[0]?.includes('node-2'), hot.join())
    await keepPicture(page, '3-slow')
    await goTo(page, 'now')
  })

  it('shows a handler that throws by mistake, with its server, and a peer whose texts are code as texts', async () => {
    await server(four).ask('fail', true)
    assert.match(await answer('fails', /meta\/put at node-4/), /TypeError, a mistake in the handler/)
    await server(one).ask('provoke', two)
    await goTo(page, 'events')
    await shown(page, '.events li', /<img src=x onerror=/)
    assert.equal(await page.locator('img').count(), 0)
    await goTo(page, 'now')
  })

  it('shows within two seconds that a server was killed', async () => {
    const startedMs = performance.now()
    server(three).signal('SIGKILL')
    await answer('connected', /No: node-3 is gone/)
    await page.locator('td.cell.down').nth(2).waitFor()
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs < paced(2000), `after ${Math.round(tookMs)} ms`)
    await shown(page, '.events li', /node-3 lost by all 3 others/)
    assert.equal(await page.locator('tr.hot td.cell.old').count(), 3, 'its row has its last figures')
    await keepPicture(page, '4-killed')
    await goTo(page, 'now&theme=dark')
    await keepPicture(page, '4-killed-dark')
    await server(four).ask('hang', one)
  })

  /** Its details have come. */
  const loaded = async (screen: string) => {
    await page.locator('h1').first().waitFor()
    if (screen === connection) await page.locator('.lane').first().waitFor()
    if (screen === handler) await page.locator('.mini figure').first().waitFor()
  }

  it('has every screen without fault for axe, in both themes, and without sideways scroll', async () => {
    for (const theme of ['light', 'dark']) {
      for (const screen of screens) {
        await goTo(page, `${screen}&theme=${theme}`)
        await loaded(screen)
        await page.evaluate(axe)
        const found = await page.evaluate(async () => {
          const { axe: tool } = globalThis as unknown as {
            axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
          }
          return (await tool.run()).violations.map(
            ({ id, nodes }) =>
              `${id}: ${nodes
                .map(({ html }) => html)
                .slice(0, 3)
                .join(' ')}`
          )
        })
        assert.deepEqual([screen, theme, found], [screen, theme, []])
      }
    }
    for (const width of [320, 390, 768, 1440, 1920]) {
      await page.setViewportSize({ width, height: 900 })
      for (const screen of screens) {
        await goTo(page, screen)
        await loaded(screen)
        const wide = await page.evaluate(() => {
          const { document: doc } = globalThis as unknown as { document: { documentElement: { scrollWidth: number } } }
          return doc.documentElement.scrollWidth
        })
        assert.ok(wide <= width, `${screen} is ${wide} px wide at ${width}`)
        if (width === 390) await keepPicture(page, `5-phone-${screen.split('/')[0]}`, true)
      }
    }
  })

  it('is read without colours: forced ones, or none at all', async () => {
    await page.emulateMedia({ forcedColors: 'active', colorScheme: 'dark' })
    await goTo(page, 'now')
    await page.locator('td.cell.down').first().waitFor()
    const edges = await page.evaluate(() => {
      interface Style {
        readonly borderTopStyle: string
        readonly borderTopWidth: string
      }
      const { document: doc, getComputedStyle: styleOf } = globalThis as unknown as {
        document: { querySelector(of: string): object }
        getComputedStyle(element: object): Style
      }
      const edgeOf = (of: string) => {
        const { borderTopStyle, borderTopWidth } = styleOf(doc.querySelector(of))
        return `${borderTopStyle} ${borderTopWidth}`
      }
      return ['td.cell.down', '.legend .try', 'td.cell.q4,td.cell.q3,td.cell.q2,td.cell.q1,td.cell.q0'].map(edgeOf)
    })
    assert.equal(new Set(edges).size, 3, `${edges}`)
    assert.equal(await page.locator('td.cell.down svg').count(), 3, 'a cross in each')
    await keepPicture(page, '5-forced-colours')
    await page.emulateMedia({ forcedColors: 'none', colorScheme: 'light' })
    const greys = await page.evaluate(() => {
      const { document: doc, getComputedStyle: styleOf } = globalThis as unknown as {
        document: { querySelector(of: string): object }
        getComputedStyle(element: object): { readonly backgroundColor: string }
      }
      return ['td.cell.down', '.legend .try', '.legend .q1'].map((of) => {
        const [r = 0, g = 0, b = 0] = styleOf(doc.querySelector(of)).backgroundColor.match(/\d+/g)?.map(Number) ?? []
        return 0.299 * r + 0.587 * g + 0.114 * b
      })
    })
    const [down = 0, wait = 0, up = 0] = greys
    assert.ok(up - wait > 40 && wait - down > 40, `${greys}`)
  })

  it('is read at four times its size, from its first screen on', async () => {
    await page.setViewportSize({ width: 320, height: 256 })
    for (const screen of ['now', 'handlers', connection]) {
      await goTo(page, screen)
      await loaded(screen)
      const [wide, high] = await page.evaluate(() => {
        interface Element {
          readonly offsetHeight: number
        }
        const { document: doc } = globalThis as unknown as {
          document: { documentElement: { scrollWidth: number }; querySelector(of: string): Element }
        }
        return [doc.documentElement.scrollWidth, doc.querySelector('.top').offsetHeight]
      })
      assert.ok(wide <= 320, `${screen} is ${wide} px wide`)
      assert.ok(high <= 128, `half of the screen is left below ${high} px`)
      await keepPicture(page, `5-four-times-${screen.split('/')[0]}`)
    }
  })

  it('shows a handler that hangs by its oldest call, as no duration is counted', async () => {
    await goTo(page, 'handlers&find=hang')
    await shown(page, '.handlers tbody tr', /jobs\/hang.*>\d+\s+(s|min).*node-1 of/s)
    await goTo(page, 'now')
    await shown(page, '#waits .wait', /node-4 waits for node-1.*jobs\/hang/s)
  })

  it('copies the answers as text, also where a browser gives pages no clipboard', async () => {
    await goTo(page, 'now')
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    const copied = () =>
      page.evaluate(() => {
        const { navigator: browserOf } = globalThis as unknown as {
          navigator: { clipboard: { readText(): Promise<string> } }
        }
        return browserOf.clipboard.readText()
      })
    await page.locator('#copy').click()
    await shown(page, '#copy', /^copied$/)
    const text = await copied()
    assert.match(text, /^\d{4}-.* it-grid from http:\/\/node-1/)
    assert.match(text, /Is everybody connected\? No: node-3 is gone: /)
    assert.equal(text.split('\n').length, 6)
    const older = await browser.newPage()
    await older.addInitScript(() => {
      const { navigator: browserOf } = globalThis as unknown as { navigator: object }
      Object.defineProperty(Object.getPrototypeOf(browserOf), 'clipboard', { value: undefined })
    })
    await older.goto(`${urls[one]}/inspector/`)
    await older.locator('#copy').click()
    await shown(older, '#copy', /^copied$/)
    await older.close()
  })

  it('shows handlers as callers saw them, with their charts', async () => {
    await goTo(page, 'handlers')
    await page.locator('#side').selectOption('caller')
    await shown(page, '.handlers tbody tr', /thumbs\/render/)
    await page
      .locator('.handlers tr', { hasText: 'thumbs/render' })
      .locator('path.l')
      .first()
      .waitFor({ state: 'attached' })
    assert.equal(await page.locator('.handlers tbody tr', { hasText: 'jobs/hang' }).count(), 1)
    await keepPicture(page, '6-callers')
    await goTo(page, 'now')
  })

  it('is used by keys alone: screens, filter, matrix, freeze, help', async () => {
    await goTo(page, 'now')
    const hash = () => page.evaluate(() => (globalThis as unknown as { location: { hash: string } }).location.hash)
    for (const [key, screen] of [
      ['2', 'servers'],
      ['3', 'handlers'],
      ['4', 'waits'],
      ['5', 'events'],
      ['6', 'trace'],
      ['1', 'now']
    ]) {
      await page.keyboard.press(key as string)
      await page.locator(`.tabs a[aria-current="page"][href^="#${screen}"]`).waitFor()
    }
    await page.locator('td.cell[tabindex="0"]').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowRight')
    const name = await page.evaluate(
      () =>
        (globalThis as unknown as { document: { activeElement: { ariaLabel: string } } }).document.activeElement
          .ariaLabel
    )
    assert.match(name, /^node-\d to node-\d: /)
    await page.keyboard.press('Enter')
    await page.locator('h1', { hasText: '⇄' }).waitFor()
    assert.match(await hash(), /^#conn/)
    await page.keyboard.press('Escape')
    await page.locator('.answers').waitFor()
    await page.keyboard.press('Space')
    await page.locator('#freeze[aria-pressed="true"]').waitFor()
    await page.keyboard.press('Space')
    await page.locator('#freeze[aria-pressed="false"]').waitFor()
    await page.keyboard.press('?')
    await page.locator('dialog[open]').waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('3')
    await page.locator('#find').waitFor()
    await page.keyboard.press('/')
    const focused = () =>
      page.evaluate(
        () => (globalThis as unknown as { document: { activeElement: { id: string } } }).document.activeElement.id
      )
    assert.equal(await focused(), 'find')
    await page.keyboard.type('render')
    await page.locator('.handlers tbody tr').nth(1).waitFor({ state: 'detached' })
    assert.deepEqual(await page.locator('.handlers tbody a').allInnerTexts(), ['thumbs/render'])
    await keepPicture(page, '6-handlers')
  })

  it('traces calls while it is asked to, with what filters leave, also where the pointer rests on its rows', async () => {
    await page.mouse.move(700, 400)
    await goTo(page, `trace&on=1&sample=1&handler=meta%2Fput&failed=1`)
    await shown(page, '.scroll tbody tr', /node-4/)
    assert.deepEqual([...new Set(await page.locator('.scroll tbody td.h').allInnerTexts())], ['meta/put'])
    await keepPicture(page, '6-trace')
    await goTo(page, 'now')
  })

  it('keeps its charts when it is loaded again', async () => {
    const points = () => page.locator('.handlers tr', { hasText: 'thumbs/render' }).locator('path.l').getAttribute('d')
    const before = (await points())?.split('L').length ?? 0
    await page.reload()
    await page.locator('.handlers tr', { hasText: 'thumbs/render' }).locator('path.l').waitFor()
    assert.ok(((await points())?.split('L').length ?? 0) >= before && before > 1, `${before} points before`)
  })

  it('says that it opens until it is told the first figures', async () => {
    const opening = await browser.newPage()
    let open: () => void = () => undefined
    const isOpen = new Promise<void>((resolve) => {
      open = resolve
    })
    await opening.route(/\/feed$/, async (route) => {
      await isOpen
      await route.continue()
    })
    await opening.goto(`${urls[one]}/inspector/`)
    await shown(opening, 'main', /Opening/)
    assert.match(await opening.locator('.live').innerText(), /opening/)
    open()
    await opening.locator('.answers').waitFor()
    assert.equal(await opening.locator('main', { hasText: 'Opening' }).count(), 0)
    await opening.close()
  })

  it('shows a server that came back as another process', async () => {
    await start(three)
    await answer('connected', /Yes, all 4/)
    await shown(page, '.events li', /node-3 connected to/)
  })

  it('shows a server that stands still as gone once it answers no ping, and that it goes on', async () => {
    server(two).signal('SIGSTOP')
    await answer('connected', /No: node-2 is gone/)
    server(two).signal('SIGCONT')
    await answer('connected', /Yes, all 4/)
  })

  it('says at once that it has lost its own server, keeps what it knows with its age, and goes on by itself', async () => {
    await server(one).kill()
    await shown(page, '.banner', /No word from node-1 for/)
    assert.equal(await page.locator('main.is-old').count(), 1)
    assert.equal(await page.locator('td.cell').count(), 16)
    await keepPicture(page, '7-lost')
    await start(one)
    await page.locator('.banner').waitFor({ state: 'detached', timeout: 60_000 })
    await answer('connected', /Yes, all 4/)
    assert.deepEqual(complaints, [])
  })
})

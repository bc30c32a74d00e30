/**
 * `npm run site:check`: looks at the built site as a reader does, in a real browser.
 *
 * Every page opens without an error in the console in both themes, and at the width of a phone, where nothing but code and tables
 * may be wider than the screen; every link leads to a page, and to a heading that it has; the search finds what it should. Keeps
 * screenshots. Where there is no browser it says so.
 */

import { createReadStream, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const dist = fileURLToPath(new URL('dist/', import.meta.url))
const shots = fileURLToPath(new URL('../../screenshots/site/', import.meta.url))
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path))
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2'
}
const desktop = { width: 1280, height: 900 }
const phone = { width: 390, height: 844 }

if (browserPath === undefined) {
  console.log('site: skipped, there is no chromium here')
} else {
  mkdirSync(shots, { recursive: true })
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
  try {
    const faults = await lookAt(browser, `http://127.0.0.1:${server.address().port}`)
    for (const fault of faults) console.error(`site: ${fault}`)
    if (faults.length > 0) process.exitCode = 1
  } finally {
    await browser.close()
    server.close()
  }
}

function answer(request, response) {
  const path = decodeURIComponent(new URL(request.url, 'http://site').pathname)
  const file = join(dist, path.endsWith('/') ? `${path}index.html` : path)
  if (!file.startsWith(dist) || statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    return void response.writeHead(404).end()
  response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
  createReadStream(file).pipe(response)
}

async function lookAt(browser, origin) {
  const pages = readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.html') && file !== '404.html')
  const faults = []
  const anchors = new Map()
  const links = []
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: desktop, colorScheme })
    let name = ''
    page.on(
      'console',
      (message) => message.type() === 'error' && faults.push(`${name} (${colorScheme}): ${message.text()}`)
    )
    page.on('pageerror', (error) => faults.push(`${name} (${colorScheme}): ${error.message}`))
    page.on('request', (request) => !request.url().startsWith(origin) && faults.push(`${name}: asks ${request.url()}`))
    for (name of pages) {
      await page.setViewportSize(desktop)
      await page.goto(`${origin}/${name}`)
      await page.waitForFunction(() => document.querySelector('#app')?.__vue_app__ !== undefined)
      if (colorScheme === 'dark') {
        if (name === 'index.html') await page.screenshot({ path: join(shots, 'home-dark.png') })
        continue
      }
      anchors.set(`/${name}`, new Set(await page.$$eval('[id]', (all) => all.map(({ id }) => id))))
      const hrefs = await page.$$eval('a[href]', (all) => all.map(({ href }) => href))
      links.push(...hrefs.filter((href) => href.startsWith(origin)).map((href) => ({ from: name, href })))
      await page.setViewportSize(phone)
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      if (width > phone.width) faults.push(`${name}: ${width} px wide on a phone of ${phone.width}`)
      if (['index.html', 'reference.html'].includes(name)) {
        // Anew, so that nothing is on its way out of sight.
        await page.reload({ waitUntil: 'networkidle' })
        await page.screenshot({ path: join(shots, `${name.replace('.html', '')}-phone.png`) })
        await page.setViewportSize(desktop)
        await page.screenshot({ path: join(shots, `${name.replace('.html', '')}-light.png`) })
      }
    }
    await page.close()
  }
  for (const { from, href } of links) {
    const { pathname, hash } = new URL(href)
    const known = anchors.get(pathname.endsWith('/') ? `${pathname}index.html` : pathname)
    if (known === undefined) faults.push(`${from}: ${pathname} does not exist`)
    else if (hash !== '' && !known.has(decodeURIComponent(hash.slice(1))))
      faults.push(`${from}: ${pathname} has no ${hash}`)
  }
  faults.push(...(await search(browser, origin)))
  console.log(
    `site: ${pages.length} pages, ${links.length} links, ${new Set(faults).size} faults; screenshots/site has pictures`
  )
  return new Set(faults)
}

/** Types what a reader would, and follows the first answer. */
async function search(browser, origin) {
  const page = await browser.newPage({ viewport: desktop })
  await page.goto(`${origin}/`)
  await page.click('#local-search button, .VPNavBarSearch button')
  await page.fill('input.search-input', 'waitForReady')
  const first = page.locator('.results a').first()
  try {
    await first.waitFor({ timeout: 30_000 })
    await page.screenshot({ path: join(shots, 'search.png') })
    await first.click()
    await page.waitForURL((url) => url.pathname !== '/', { timeout: 30_000 })
    const found = await page.locator('.vp-doc').innerText()
    return found.includes('waitForReady') ? [] : ['the first result of the search for waitForReady does not have it']
  } catch (error) {
    return [`the search finds nothing: ${error.message}`]
  } finally {
    await page.close()
  }
}

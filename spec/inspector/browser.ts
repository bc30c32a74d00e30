/** A real browser, where Debian's `chromium` is installed; and the pictures that a run keeps. */

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

const path = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((each) => existsSync(each))

/** On a machine that does much else: it only ends what hangs. */
export const patienceMs = 120_000

/** For the `skip` of a spec. */
export const whyNoBrowser = path === undefined ? 'chromium is not installed: apt-get install chromium' : false

/** Pictures of the last run; git knows nothing of them. */
const folder = process.env.IT_GRID_SCREENSHOTS ?? fileURLToPath(new URL('../../screenshots/', import.meta.url))

export function startBrowser(): Promise<Browser> {
  // As root it has no sandbox.
  return chromium.launch({ executablePath: path ?? '', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

export async function keepPicture(page: Page, name: string, fullPage = false): Promise<void> {
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage })
}

/** What goes wrong in a page: errors of its code, and what its policy refuses. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
  page.on('console', (message) => {
    // A server that is gone refuses connections, and so it should; a picture for the tab is asked for beside the page.
    const text = `${message.text()} ${message.location().url}`
    const isUsual = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|favicon/.test(text)
    if (message.type() === 'error' && !isUsual) complaints.push(text)
  })
  return complaints
}

export async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate((to) => {
    const { location } = globalThis as unknown as { location: { hash: string } }
    location.hash = to
  }, hash)
}

/** Resolves with its text, once an element is there that has one like it. */
export async function shown(page: Page, selector: string, text: RegExp, timeoutMs = patienceMs): Promise<string> {
  const found = page.locator(selector).filter({ hasText: text }).first()
  await found.waitFor({ timeout: timeoutMs })
  return await found.innerText()
}

/** The HTTP side of the page of a grid: who may see it, what it refuses, and what it leaves behind. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { before, describe, it, type TestContext } from 'node:test'
import { type InspectorOptions, inspector } from 'it-grid/inspector'
import { Feed } from '../../lib/extras/inspector/feed.ts'
import { Listener } from '../../lib/extras/inspector/listener.ts'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { Pages } from '../../lib/extras/inspector/pages.ts'
import type { Manager } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { testManager } from '../support/grid/manager.ts'
import { until } from '../support/until.ts'
import { read, readNothing } from './look.ts'

before(() => buildPage())

/** The page of a manager on a server of its own. */
async function openInspector(test: TestContext, grid: Manager, options: Partial<InspectorOptions> = {}) {
  const server = createServer(inspector(grid, { allow: () => true, ...options }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/` }
}

describe('the page of a grid', () => {
  it('is its document, its style and its script, with no third party, no cookie and nothing inline', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    const page = await fetch(url)
    const html = await page.text()
    assert.equal(page.status, 200)
    assert.doesNotMatch(html, /https?:|<script(?! src)|<style|style=| on\w+=/)
    assert.equal(page.headers.get('set-cookie'), null)
    const policy = page.headers.get('content-security-policy') ?? ''
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'"
    ]) {
      assert.ok(policy.includes(rule), policy)
    }
    assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/)
    const files = [...html.matchAll(/(?:href|src)="(?<name>[^"]+)"/g)].map(({ groups }) => groups?.name ?? '')
    assert.deepEqual(files, ['page.css', 'page.js'])
    let bytes = html.length
    for (const name of files) {
      const file = await fetch(new URL(name, url))
      bytes += (await file.arrayBuffer()).byteLength
      const again = await fetch(new URL(name, url), { headers: { 'if-none-match': file.headers.get('etag') ?? '' } })
      assert.deepEqual([file.status, again.status], [200, 304])
    }
    assert.ok(bytes < 150_000, `${bytes} bytes`)
  })

  it('asks its rule first, at every request, and takes a throw and whatever is not true for a no', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const asked: string[] = []
    const answers: Record<string, unknown> = { yes: true, no: false, truthy: 1, later: Promise.resolve(false) }
    const { url } = await openInspector(test, grid.at(0), {
      allow({ headers, url: address = '' }) {
        asked.push(address)
        if (headers['x-who'] === 'throws') throw new Error('a secret of the rule')
        return answers[String(headers['x-who'])] as boolean
      }
    })
    for (const who of ['no', 'truthy', 'later', 'throws', 'nobody']) {
      for (const path of ['', 'page.js', 'feed', 'nothing', 'trace', '../else']) {
        const answer = await fetch(new URL(path, url), { headers: { 'x-who': who } })
        const text = await answer.text()
        assert.deepEqual([who, path, answer.status], [who, path, 403])
        assert.doesNotMatch(text, /secret|<script/)
      }
      const posted = await fetch(url, { method: 'POST', body: 'x', headers: { 'x-who': who } })
      assert.equal(posted.status, 403, 'nothing is told before the rule')
    }
    assert.equal((await fetch(url, { headers: { 'x-who': 'yes' } })).status, 200)
    assert.equal(asked.length, 5 * 7 + 1)
    assert.deepEqual(
      grid
        .at(0)
        .stats()
        .served.filter(({ calls }) => calls > 0),
      [],
      'nobody was looked at'
    )
  })

  it('answers only what it has, only to be looked at, and only below its path', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    const status = async (path: string, init?: RequestInit) => {
      const answer = await fetch(new URL(path, url), { redirect: 'manual', ...init })
      await answer.arrayBuffer()
      return answer.status
    }
    assert.equal(await status('/inspector'), 308)
    assert.equal((await fetch(new URL('/inspector', url))).url, url)
    for (const path of [
      '/',
      '/inspectors/',
      '/page.js',
      'model.ts',
      '%2e%2e/index.js',
      '__proto__',
      'toString',
      'page.js/'
    ]) {
      assert.deepEqual([path, await status(path)], [path, 404])
    }
    assert.equal(await status('', { method: 'HEAD' }), 200)
    assert.equal(await status('feed', { method: 'HEAD' }), 200)
    for (const method of ['PUT', 'DELETE', 'OPTIONS']) assert.equal(await status('feed', { method }), 405)
    assert.equal(await status('', { method: 'POST', body: 'x'.repeat(1000) }), 413)
    assert.equal(await status(`?${'x'.repeat(5000)}`), 414)
    assert.equal(await status('connection?a=x&b=y'), 503)
    assert.equal(
      await status('feed', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' } }),
      403
    )
  })

  it('asks its rule first and answers as ever, however the address is written', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const asked: string[] = []
    const { url } = await openInspector(test, grid.at(0), {
      allow({ url: address = '' }) {
        asked.push(address)
        return true
      }
    })
    const port = Number(new URL(url).port)
    const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\n'
    const lines = [
      ['GET //', '', 404],
      ['GET //a/inspector/', '', 404],
      ['GET ///', '', 404],
      ['GET http://[', '', 404],
      ['GET http://elsewhere.test/inspector/', '', 200],
      ['GET /inspector/%', '', 404],
      ['GET /inspector/../page.js', '', 404],
      ['GET /inspector/', upgrade, 200],
      ['OPTIONS *', '', 405],
      ['PROPFIND /inspector/', '', 405]
    ] as const
    for (const [line, headers, status] of lines) {
      const socket = connect(port, '127.0.0.1')
      socket.end(`${line} HTTP/1.1\r\nhost: a\r\n${headers === '' ? 'connection: close\r\n' : headers}\r\n`)
      const [chunk] = await once(socket, 'data')
      socket.destroy()
      assert.match(`${line}: ${chunk}`, new RegExp(`^.*: HTTP/1.1 ${status} `))
    }
    assert.deepEqual(
      asked,
      lines.map(([line]) => line.slice(line.indexOf(' ') + 1))
    )
  })

  it('is where a router mounts it, with or without a slash at the end', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    for (const path of ['/inspector', '/']) {
      const page = inspector(grid.at(0), { allow: () => true, path })
      // As Express does it.
      const server = createServer((incoming, response) => {
        const { url = '' } = incoming
        Object.assign(incoming, { originalUrl: url, url: url.replace(/^\/ops\/inspector\/?/, '/') })
        page(incoming, response)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      test.after(() => server.close())
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops/inspector`
      const told = await fetch(url)
      assert.deepEqual([path, told.status, told.url, /page\.js/.test(await told.text())], [path, 200, `${url}/`, true])
      const script = await fetch(new URL('page.js', told.url))
      await script.arrayBuffer()
      assert.equal(script.status, 200)
    }
  })

  it('takes a rule that does not answer for a no', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const listener = new Listener(() => new Promise(() => undefined), '/inspector', new Pages(grid.at(0), 1), 50)
    const server = createServer((incoming, response) => void listener.answer(incoming, response))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    test.after(() => server.close())
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/`)
    await answer.text()
    assert.equal(answer.status, 403)
  })

  it('reads no body, however long it is', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const { url, server } = await openInspector(test, grid.at(0))
    let taken = 0
    server.on('request', (incoming) =>
      incoming.socket.on('close', () => {
        taken = incoming.socket.bytesRead
      })
    )
    const sent = request(url, { method: 'POST' })
    sent.on('error', () => undefined)
    const [answer] = await Promise.all([once(sent, 'response'), sent.write(Buffer.alloc(8_000_000))])
    assert.equal(answer[0].statusCode, 413)
    answer[0].resume()
    await until(() => taken > 0, 'it closes the conn')
    assert.ok(taken < 4_000_000, `${taken} bytes were read`)
    sent.destroy()
  })

  it('refuses requests beyond a rate, and pages beyond a number', async (test) => {
    await using grid = await openGrid(1, { introspection: true })
    const { url } = await openInspector(test, grid.at(0), { maxPages: 2 })
    const pages = [new AbortController(), new AbortController()]
    for (const { signal } of pages) await read(`${url}feed`, signal).next()
    const third = await fetch(`${url}feed`)
    assert.deepEqual([third.status, await third.text()], [503, '2 pages are open; see the option maxPages.\n'])
    pages[0]?.abort()
    await until(async () => {
      const again = new AbortController()
      const answer = await fetch(`${url}feed`, { signal: again.signal })
      again.abort()
      return answer.status === 200
    }, 'one that has gone makes room')
    const fromMs = performance.now()
    const flood = await Promise.all(Array.from({ length: 300 }, () => fetch(url).then(({ status }) => status)))
    // A machine on which that takes long gets more answers.
    const allowed = 120 + (20 * (performance.now() - fromMs)) / 1000
    assert.ok(flood.filter((status) => status === 200).length <= allowed)
    assert.ok(flood.includes(429) || allowed > 300)
    pages[1]?.abort()
  })

  it('says what is wrong with its options', () => {
    const grid = testManager({ local: 'http://a:1', hosts: ['http://a:1'] })
    const allow = () => true
    assert.throws(() => inspector(grid, {} as never), /option allow is required/)
    assert.throws(
      () => inspector(grid, { allow: true } as never),
      /option allow must be a function that says which requests may see the page$/
    )
    assert.throws(() => inspector(grid, { allow, path: 'inspector' }), /must be a path that begins with "\/"/)
    assert.throws(
      () => inspector(grid, { allow, auth: 1 } as never),
      /has no option "auth"; it has allow, path, maxPages/
    )
    assert.throws(() => inspector(grid, { allow, maxPages: 0 }), /maxPages must be a whole number/)
    assert.throws(() => inspector({} as never, { allow }), /must be a Manager/)
    assert.throws(() => inspector(grid, { allow }), {
      code: 'ERR_INVALID_OPTION',
      message: /takes a Manager that has the option introspection/
    })
    return grid.close()
  })

  it('tells nothing after the end of a feed, and does not wait for a browser that takes nothing', async (test) => {
    const feeds: Feed[] = []
    const failures: unknown[] = []
    let tell: (word: string) => void = () => undefined
    const server = createServer((_, response) => {
      response.on('error', (error) => failures.push(error))
      const isFirst = feeds.length === 0
      const later = new Promise<string>((resolve) => {
        tell = resolve
      })
      feeds.push(new Feed(response, () => (isFirst ? 'x'.repeat(20_000_000) : later)))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    test.after(() => server.closeAllConnections())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const deaf = await readNothing(url)
    await until(() => feeds.length === 1, 'it has asked')
    const slow = fetch(url)
    await until(() => feeds.length === 2, 'the other has asked')
    for (const feed of feeds) feed.news()
    for (const feed of feeds) feed.end()
    tell('"late"')
    assert.doesNotMatch(await (await slow).text(), /late/)
    server.close()
    await once(server, 'close')
    assert.deepEqual(failures, [])
    deaf.destroy()
  })

  it('ends its feeds when the grid closes, so that the HTTP server can close', async () => {
    const grid = testManager({ local: 'http://a:1', hosts: ['http://a:1'], introspection: true })
    const server = createServer(inspector(grid, { allow: () => true }))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/inspector/feed`
    const ticks = read(url)
    await ticks.next()
    await grid.close()
    for await (const _ of ticks);
    assert.equal((await fetch(url)).status, 503)
    server.close()
    await once(server, 'close')
  })
})

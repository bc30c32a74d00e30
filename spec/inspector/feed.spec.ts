/** What the page is told: all at first, then changes; what is old with its age; and what looking costs. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { testGrid } from 'it-grid/testing'
import { Feed } from '../../lib/extras/inspector/feed.ts'
import type { ServerFigures, Tick, Wire } from '../../lib/extras/inspector/model.ts'
import { channels, dialGuest, type Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { answerOf, Looking, openInspector, read, readNothing, readTicks } from './look.ts'

/** Open calls of `$grid` handlers at a server. */
function looked(manager: Manager): number {
  const own = manager.stats().served.filter(({ subroute }) => subroute === '$grid')
  return own.reduce((sum, { running }) => sum + running, 0)
}

const isAnswered = (count: number) => (tick: Tick) => answerOf(tick, 'connected') === `Yes, all ${count}`

function downTo({ cells = [] }: Tick, host: string): number {
  return cells.filter(({ to, state }) => to === host && state === 'down').length
}

describe('the feed of the page', () => {
  it('tells of a server that is gone, with its last figures and their age, and of its return', async (test) => {
    await using grid = await openGrid(3, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    using page = new Looking(url)
    const [, , third = ''] = grid.hosts
    const first = await page.until(isAnswered(3), 'all three are connected')
    assert.equal(first.cells?.filter(({ state }) => state === 'up').length, 6)
    await grid.stop(2)
    const isGone = (tick: Tick) => /^No: .* is gone$/.test(answerOf(tick, 'connected'))
    const gone = await page.until((tick) => isGone(tick) && downTo(tick, third) === 2, 'it is gone')
    const server = gone.servers?.find(({ host }) => host === third)
    assert.equal(server?.state, 'away')
    assert.ok((server?.at ?? Number.POSITIVE_INFINITY) <= gone.at, 'the age of its last figures')
    assert.equal(
      gone.cells?.filter(({ from, state }) => from === third && state !== 'unknown').length,
      2,
      'what it told last'
    )
    await grid.restart(2)
    await page.until(isAnswered(3), 'all are back')
  })

  it('says when a server that is gone is dialed next, or that it is the one that dials', async (test) => {
    await using grid = await openGrid(3, { introspection: true })
    const { url } = await openInspector(test, grid.at(1))
    using page = new Looking(url)
    await page.until(isAnswered(3), 'all three are connected')
    const [first = '', second = '', third = ''] = grid.hosts
    for (const [at, gone] of [
      [0, first],
      [2, third]
    ] as const) {
      await grid.stop(at)
      const isTold = ({ cells = [], servers = [] }: Tick) => {
        const { nextAt, isOthersTurn } = cells.find(({ from, to }) => from === second && to === gone) ?? {}
        const note = servers.find(({ host }) => host === gone)?.note ?? ''
        return grid.at(1).connection(gone).stats().isDialer
          ? isOthersTurn === undefined && nextAt !== undefined && / · (dials now|next dial in \d)/.test(note)
          : isOthersTurn === true && nextAt === undefined && note.endsWith(`${gone.replace('http://', '')} dials`)
      }
      await page.until(isTold, 'it says who dials')
      await grid.restart(at)
      const isBack = (tick: Tick) =>
        isAnswered(3)(tick) &&
        (tick.cells ?? []).every(({ nextAt, isOthersTurn }) => nextAt === undefined && isOthersTurn === undefined)
      await page.until(isBack, 'nobody dials')
    }
  })

  it('does not say at first that its own server is gone', async (test) => {
    await using grid = await openGrid(2, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    const stop = new AbortController()
    for await (const first of readTicks(`${url}feed`, stop.signal)) {
      const own = first.servers?.find(({ host }) => host === grid.hosts[0])
      assert.deepEqual([own?.state, own?.severity], ['silent', 'warn'])
      assert.doesNotMatch(answerOf(first, 'connected'), /gone/)
      break
    }
    stop.abort()
  })

  it('says of a server that does not answer $grid that it tells nothing, while others tell of it', async (test) => {
    const servers = new Servers(test)
    const { dialer, listener, there } = await servers.pair({ introspection: true })
    await there.waitForConnect()
    const { url } = await openInspector({ after: (fn) => servers.onEnd(fn) }, dialer.manager)
    using page = new Looking(url)
    const told = await page.until(
      ({ servers: all = [] }) => all.some(({ state, up }) => state === 'refuses' && up === 1),
      'it refuses'
    )
    const silent = told.servers?.find(({ host }) => host === listener.name)
    assert.deepEqual([silent?.up, silent?.severity], [1, 'warn'])
    assert.match(silent?.note ?? '', /tells nothing: .*introspection/)
    await page.until((tick) => /^Yes, but .* tells nothing$/.test(answerOf(tick, 'connected')), 'the answer says so')
  })

  it('tells the guests of each server, by their names as texts, with what they call, and that they have gone', async (test) => {
    const serve = (manager: Manager) => {
      manager.handle('get', (payload) => payload)
      manager.handle('fail', () => {
        throw new Error('no')
      })
    }
    const auth = sharedSecret('a secret of guests')
    await using grid = await openGrid(2, { introspection: true, serve, guests: { auth, allow: () => true } })
    const [first = '', second = ''] = grid.hosts
    const guest = await dialGuest(second, { auth, name: 'ops-ada', logger: silentLogger })
    for (let at = 0; at < 3; at++) await guest.request('get', new Uint8Array(1))
    await assert.rejects(guest.request('fail', new Uint8Array(1)))
    const { url } = await openInspector(test, grid.at(0))
    using page = new Looking(url)
    const told = await page.until(({ guests = [] }) => guests.length === 1, 'there is a guest')
    const [{ server, name, calls, failed, running } = assert.fail()] = told.guests ?? []
    assert.deepEqual([server, name, calls, failed, running], [second, 'ops-ada', 4, 1, 0])
    const counts = Object.fromEntries((told.servers ?? []).map(({ host, guests }) => [host, guests]))
    assert.deepEqual([counts[first], counts[second]], [undefined, 1])
    await guest.close()
    const ofGuests = ({ events = [] }: Tick) => events.filter(({ title }) => title.includes('guest:ops-ada'))
    const isOver = (tick: Tick) =>
      tick.guests?.length === 0 && ofGuests(tick).some(({ title }) => / ended at /.test(title))
    const over = await page.until(isOver, 'it has gone')
    assert.deepEqual([...new Set(ofGuests(over).map(({ severity }) => severity))].sort(), ['info', 'ok'])
  })

  it('tells texts of peers as they are, cuts them, and shows marks that would turn their order', async (test) => {
    const id = `<img src=x onerror=alert(1)>\u202e${'y'.repeat(200)}`
    await using grid = await openGrid(2, {
      introspection: true,
      serve: (manager) =>
        manager.handle(id, () => {
          throw new TypeError(`<script>${'z'.repeat(10_000)}</script>`)
        })
    })
    await assert.rejects(
      grid
        .at(0)
        .connection(grid.hosts[1] ?? '')
        .request(id, new Uint8Array(1))
    )
    const { url } = await openInspector(test, grid.at(0))
    using page = new Looking(url)
    const isTold = ({ handlers = [], events = [] }: Tick) =>
      handlers.length > 0 && events.some(({ title }) => title.includes('throws TypeError'))
    const told = await page.until(isTold, 'it is told')
    const name = told.handlers?.[0]?.name ?? ''
    assert.match(name, /^<img src=x onerror=alert\(1\)>\\u202ey+…$/, 'a mark that turns the order is seen')
    for (const { title, detail } of told.events ?? []) assert.ok(title.length <= 201 && detail.length <= 201)
  })

  it('costs nothing while no page is open, and ends some time after the last one', async (test) => {
    await using grid = await openGrid(2, { introspection: true })
    const { url } = await openInspector(test, grid.at(0), 300)
    const looks = () => [0, 1].map((at) => looked(grid.at(at)))
    assert.deepEqual(looks(), [0, 0])
    const stop = new AbortController()
    const trace = read(`${url}trace`, stop.signal)
    const page = new Looking(url)
    await page.until(isAnswered(2), 'a page is open')
    await trace.next()
    await until(() => channels.handle.asyncEnd.hasSubscribers, 'calls are traced')
    assert.ok(
      looks().every((count) => count >= 2),
      `it looks at both: ${looks()}`
    )
    stop.abort()
    page.close()
    await until(() => looks().every((count) => count === 0), 'nobody looks any more')
    await until(() => !channels.handle.asyncEnd.hasSubscribers, 'nothing is traced any more')
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const again = new Looking(url)
    await again.until(isAnswered(2), 'a page is open again')
    again.close()
    await until(() => looks().every((count) => count === 0), 'nobody looks any more')
    await until(() => timers() <= before, 'no timer is left')
  })

  it('makes nothing and keeps nothing for a browser that reads nothing, and tells it the newest when it reads again', async (test) => {
    let made = 0
    const word = 'x'.repeat(1_000_000)
    const feeds: Feed[] = []
    const server = createServer((_, response) => {
      feeds.push(new Feed(response, () => ({ made: ++made, word })))
    })
    const sockets: Socket[] = []
    server.on('connection', (socket) => sockets.push(socket))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    test.after(() => server.close())
    const deaf = await readNothing(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await until(() => feeds.length === 1, 'it has asked')
    const turn = () => new Promise(setImmediate)
    for (let at = 0; at < 200; at++) {
      feeds[0]?.news()
      await turn()
    }
    const before = made
    // What the kernel takes of both sockets is some megabytes.
    assert.ok(before < 50, `${before} words were made`)
    assert.ok((sockets[0]?.writableLength ?? 0) <= 2 * word.length, `${sockets[0]?.writableLength} bytes wait`)
    let last = ''
    deaf.setEncoding('latin1').on('data', (text: string) => {
      last = text.match(/"made":(\d+)/)?.[1] ?? last
    })
    deaf.resume()
    await until(() => Number(last) === before + 1, 'it is told the newest, once')
    assert.equal(made, before + 1)
    deaf.destroy()
  })

  it('is packed for a browser that takes gzip, each word as it comes, and is a whole file once it has ended', async (test) => {
    const words = ['a'.repeat(100_000), 'é'.repeat(1000)]
    const server = createServer((_, response) => {
      const feed = new Feed(response, () => JSON.stringify(words[0]))
      feed.news()
      setImmediate(() => {
        words.shift()
        feed.news()
        feed.end()
      })
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    test.after(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const all = [...words]
    const take = async (encoding: string): Promise<[string | undefined, Buffer]> => {
      words.splice(0, words.length, ...all)
      const [response] = (await once(get(url, { headers: { 'accept-encoding': encoding } }), 'response')) as [
        IncomingMessage
      ]
      return [response.headers['content-encoding'], await buffer(response)]
    }
    const [, plain] = await take('gzip;q=0, br')
    const [encoding, packed] = await take('br, gzip')
    assert.equal(plain.toString(), `retry: 1000\n\n${all.map((word) => `data: ${JSON.stringify(word)}\n\n`).join('')}`)
    assert.equal(encoding, 'gzip')
    assert.ok(packed.length < plain.length / 20, `${packed.length} of ${plain.length} bytes`)
    assert.deepEqual(gunzipSync(packed), plain)
  })

  it('tells a detail that is large the later, however often there is news of it', async (test) => {
    let made = 0
    const word = 'x'.repeat(200_000)
    const feeds: Feed[] = []
    const server = createServer((_, response) => {
      feeds.push(new Feed(response, () => ({ made: ++made, word }), true))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    test.after(() => server.close())
    const reader = await readNothing(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    reader.resume()
    await until(() => feeds.length === 1, 'it has asked')
    for (let at = 0; at < 50; at++) {
      feeds[0]?.news()
      await new Promise(setImmediate)
    }
    await until(() => {
      feeds[0]?.news()
      return made >= 2
    }, 'the first word is none of its rate')
    for (let at = 0; at < 50; at++) {
      feeds[0]?.news()
      await new Promise(setImmediate)
    }
    assert.equal(made, 2)
    reader.destroy()
  })

  it('tells others in time while some browsers read nothing', async (test) => {
    await using grid = await openGrid(2, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    const deaf = await Promise.all(Array.from({ length: 8 }, () => readNothing(`${url}feed`)))
    using page = new Looking(url)
    for (let ticks = 0; ticks < 4; ticks++) await page.until(() => page.ticks > ticks, 'it is told in time')
    for (const socket of deaf) socket.destroy()
    page.close()
    await until(() => looked(grid.at(1)) === 0, 'nobody looks any more')
  })
})

describe('a grid whose servers see different things', () => {
  const open = async (test: TestContext) => {
    const grid = await testGrid(3, { options: { introspection: true, keepAlive: { intervalMs: 200 } } })
    test.after(() => grid.close())
    const { url } = await openInspector(test, grid.grids[0] as Manager)
    const hosts = grid.grids.map(({ local }) => local)
    return { grid, url, hosts }
  }

  it('shows a pair that is apart while both of its servers answer', async (test) => {
    const { grid, url, hosts } = await open(test)
    using page = new Looking(url)
    await page.until(isAnswered(3), 'all three are connected')
    grid.hold(1, 2)
    grid.hold(2, 1)
    const isApart = (tick: Tick) => / does not reach /.test(answerOf(tick, 'connected'))
    const told = await page.until(isApart, 'it is told')
    assert.equal(told.sums?.answering, 3)
    const apart = told.cells?.filter(({ state }) => state !== 'up').map(({ from, to, state }) => [from, to, state])
    assert.deepEqual(new Set(apart?.map(([, , state]) => state)), new Set(['try']))
    assert.ok(apart?.every(([from, to]) => from !== hosts[0] && to !== hosts[0]))
    await grid.heal()
    await page.until(isAnswered(3), 'they are connected again')
  })

  it('shows a server that is not reached from here by what the others say of it', async (test) => {
    const { grid, url, hosts } = await open(test)
    using page = new Looking(url)
    await page.until(isAnswered(3), 'all three are connected')
    grid.hold(0, 2)
    grid.hold(2, 0)
    const isAway = ({ host, state, up }: ServerFigures) => host === hosts[2] && state === 'away' && up === 1
    const told = await page.until(({ servers = [] }) => servers.some(isAway), 'it is told')
    const server = told.servers?.find(isAway)
    assert.equal(server?.severity, 'warn')
    assert.match(server?.note ?? '', /^not reached from .*, but by /)
    assert.doesNotMatch(answerOf(told, 'connected'), /gone/)
  })
})

describe('many pages', () => {
  it('share one look at each server, and are told the same', async (test) => {
    await using grid = await openGrid(2, { introspection: true })
    const { url } = await openInspector(test, grid.at(0))
    const one = new Looking(url)
    await one.until(isAnswered(2), 'a page is open')
    await until(() => looked(grid.at(1)) === 2, 'it looks')
    const others = Array.from({ length: 9 }, () => new Looking(url))
    for (const page of others) await page.until(isAnswered(2), 'it is open too')
    assert.equal(looked(grid.at(1)), 2, 'its figures and its events, once')
    for (const page of [one, ...others]) page.close()
    await until(() => looked(grid.at(1)) === 0, 'nobody looks any more')
  })

  it('are told less than 20 KiB a second each of 200 handlers that are called all the time', async (test) => {
    const names = Array.from({ length: 200 }, (_, at) => `thing-${at % 20}/do-${at}`)
    await using grid = await openGrid(2, {
      introspection: true,
      serve: (manager) => {
        for (const name of names) manager.handle(name, (payload) => payload)
      }
    })
    const { url } = await openInspector(test, grid.at(0))
    const peer = grid.at(0).connection(grid.hosts[1] ?? '')
    const call = () => Promise.all(names.map((name) => peer.request(name, new Uint8Array(10))))
    const sizes: number[] = []
    const stop = new AbortController()
    for await (const wire of read<Wire>(`${url}feed`, stop.signal)) {
      await call()
      if (wire.handlers !== undefined) sizes.push(JSON.stringify(wire).length)
      if (sizes.length === 6) break
    }
    stop.abort()
    const [, ...later] = sizes
    const most = Math.max(...later)
    test.diagnostic(`${sizes[0]} bytes at first, then up to ${most} a second`)
    assert.ok(most < 20_480, `${most} bytes`)
    await until(() => looked(grid.at(1)) === 0, 'nobody looks any more')
  })
})

/** What the page is told: all at first, then changes; what is old with its age; and what looking costs. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Tick } from '../../lib/extras/inspector/model.ts'
import { channels, type Manager } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { answerOf, Looking, openInspector, read, readNothing } from './look.ts'

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

  it('tells texts of peers as they are, and cuts them', async (test) => {
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
    assert.equal(told.handlers?.[0]?.name, id)
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

  it('keeps nothing for a browser that reads nothing, and tells the others in time', async (test) => {
    await using grid = await openGrid(2, {
      introspection: true,
      serve(manager) {
        for (let at = 0; at < 300; at++) manager.handle(`${'handler/'.repeat(20)}${at}`, (payload) => payload)
      }
    })
    const { url, server } = await openInspector(test, grid.at(0))
    const sockets: { readonly writableLength: number }[] = []
    server.on('connection', (socket) => sockets.push(socket))
    const deaf = await Promise.all(Array.from({ length: 8 }, () => readNothing(`${url}feed`)))
    const most: number[] = []
    const peer = grid.at(0).connection(grid.hosts[1] ?? '')
    const work = setInterval(() => {
      for (const { handler } of grid.at(1).handlers)
        if (handler.includes('/')) void peer.request(handler).catch(() => undefined)
    }, 100)
    using page = new Looking(url)
    for (let ticks = 0; ticks < 8; ticks++) {
      await page.until(() => page.ticks > ticks, 'it is told in time')
      most.push(sockets.reduce((sum, { writableLength }) => sum + writableLength, 0))
    }
    clearInterval(work)
    assert.ok(Math.max(...most) < deaf.length * 500_000, `${most} bytes wait`)
    assert.equal(most.at(-1), most.at(3), `it does not grow: ${most}`)
    for (const socket of deaf) socket.destroy()
    page.close()
    await until(() => looked(grid.at(1)) === 0, 'nobody looks any more')
  })
})

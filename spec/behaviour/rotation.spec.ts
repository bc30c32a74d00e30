/** How a shared secret is replaced: server by server, in three steps, while each lets every other one in all the time. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Auth, type AuthContext, type Secrets, sharedSecret } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { until } from '../support/until.ts'

const older = 'the secret of last year'
const newer = 'the secret of this year'

describe('a shared secret', () => {
  it('is replaced while the grid runs, and no pair of servers is ever apart for it', async () => {
    // Each server has its own, as each reads its own file.
    const secrets = new Map<string, Secrets>()
    const authOf = ({ local }: AuthContext): Auth => sharedSecret(() => secrets.get(local) ?? older)
    const auth: Auth = {
      prove: (context) => authOf(context).prove(context),
      verify: (context, proof) => authOf(context).verify(context, proof)
    }
    await using grid = await openGrid(3, { auth, connect: false })
    for (const manager of grid.managers) manager.handle('echo', (payload) => payload)
    const connections = grid.managers.flatMap((manager) => manager.connections)
    const refusals = () => grid.managers.reduce((sum, manager) => sum + manager.stats().refusedHandshakes, 0)
    const callAll = async () => {
      const call = { waitForReady: true }
      await Promise.all(connections.map((connection) => connection.request('echo', Buffer.of(7), call)))
    }
    /** The worst that can happen to a grid whose secrets change: every conn must be made anew. */
    const reconnectAll = async () => {
      const before = connections.map((connection) => connection.stats().reconnects)
      grid.cut()
      const isAnew = () => connections.every((connection, i) => connection.stats().reconnects > (before[i] as number))
      await until(isAnew, 'all are connected anew')
    }

    await callAll()
    for (const step of [[older, newer], [newer, older], newer]) {
      for (const host of grid.hosts) {
        secrets.set(host, step)
        await reconnectAll()
        await callAll()
      }
    }
    assert.equal(refusals(), 0)

    const [behind] = grid.hosts
    secrets.set(behind as string, older)
    grid.cut()
    await until(() => refusals() > 0, 'a server that missed the change is refused')
    secrets.set(behind as string, newer)
    await callAll()
  })
})

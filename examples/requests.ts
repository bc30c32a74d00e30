/**
 * Single requests between two servers, here in one process: types, an error of the handler, a deadline.
 *
 * Run it: `node --import tsx examples/requests.ts`
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { DeadlineError, RemoteError, single } from '../lib/index.ts'
import { startPair } from './start-pair.ts'

interface Account {
  owner: string
  balance: number
}

// Both ends import the definitions. The types of requests and responses follow from them.
const find = single<{ id: number }, Account>('accounts.find')
const report = single<void, string>('accounts.report')
const echo = single<string, string>('echo')

const accounts = new Map<number, Account>([[7, { owner: 'Ada', balance: 120 }]])

const { one, two, close } = await startPair()

two.handle(find, ({ id }, { remote }) => {
  console.log(`  (${remote.host === one.local ? 'server one' : remote.host} asks server two for account ${id})`)
  const account = accounts.get(id)
  if (account === undefined) throw Object.assign(new Error(`there is no account ${id}`), { code: 'NO_ACCOUNT' })
  return account
})
// A handler that never ends by itself. Its signal tells it that the caller no longer waits for the answer.
two.handle(report, async (_payload, { signal }) => {
  if (!signal.aborted) await once(signal, 'abort')
  console.log(`  (the handler was told to stop: ${signal.reason.code})`)
  return 'too late'
})
one.handle(echo, (text) => text)

const peer = one.connection(two.local)
await peer.waitForConnect()

const account = await peer.request(find, { id: 7 })
console.log(`found: ${account.owner} has ${account.balance}`)
assert.deepEqual(account, { owner: 'Ada', balance: 120 })

await assert.rejects(peer.request(find, { id: 8 }), (error) => {
  assert.ok(error instanceof RemoteError)
  console.log(`failed: ${error.message} (${error.code}, delivery "${error.delivery}": the handler itself said so)`)
  return error.code === 'NO_ACCOUNT' && error.delivery === 'ran'
})

await assert.rejects(peer.request(report, undefined, { timeout: 100 }), (error) => {
  assert.ok(error instanceof DeadlineError)
  console.log(`timed out: ${error.message.replace(two.local, 'server two')} (${error.code})`)
  return true
})

// The connection has no direction: server two calls server one over the same WebSocket.
const back = two.connection(one.local)
const reply = await back.request(echo, 'over the same socket')
console.log(`and back: server one answers "${reply}"`)
assert.equal(reply, 'over the same socket')

await close()
console.log('done: both servers are closed')

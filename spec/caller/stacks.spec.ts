/** The stack of an error that a call rejects with leads to the line of the call, and on to what awaits it. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  type CallerInterceptor,
  type CallOptions,
  type Connection,
  channels,
  GridError,
  type Manager,
  retries,
  single
} from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { failureBy, takeLongerStacks } from './failing.ts'

const local = 'http://a.test'

async function askThePeer(peer: Connection, id: string, options: CallOptions): Promise<unknown> {
  return await peer.request(id, undefined, options)
}

async function serveTheUser(peer: Connection, id: string, options: CallOptions): Promise<unknown> {
  return await askThePeer(peer, id, options)
}

describe('the stack of a failed call', () => {
  takeLongerStacks()

  const failures: [what: string, id: string, options: CallOptions, name: string, host?: string][] = [
    ['a handler that throws', 'throws', {}, 'RemoteError'],
    ['a deadline', 'hangs', { timeout: 20 }, 'DeadlineError'],
    ['a handler that is not there', 'nobody', {}, 'UnknownHandlerError'],
    ['a handler that does not come', 'nobody', { timeout: 20, waitForReady: true }, 'UnknownHandlerError'],
    ['a host that does not come', 'throws', { timeout: 20, waitForReady: true }, 'DeadlineError', 'http://b.test']
  ]
  for (const [what, id, options, name, host = local] of failures) {
    it(`leads to its caller, for ${what}`, async (test) => {
      const on = new Servers(test).manager({ local, hosts: [local, 'http://b.test'] })
      on.handle('throws', () => {
        throw new Error('no')
      })
      on.handle('hangs', (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)))
      const error = await failureBy(name, options, (given) => serveTheUser(on.connection(host), id, given))
      assert.equal(error.name, name)
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*askThePeer[^]*serveTheUser`))
    })
  }

  for (const [what, id, options, name, host = local] of failures) {
    it(`leads to its caller behind interceptors, for ${what}`, async (test) => {
      const waits: CallerInterceptor = { single: async (_, next) => await next() }
      const interceptors = { caller: [retries({ maxAttempts: 2, baseDelayMs: 1 }), waits] }
      const on = new Servers(test).manager({ local, hosts: [local, 'http://b.test'], interceptors })
      on.handle('throws', () => {
        throw new Error('no')
      })
      on.handle('hangs', () => new Promise(() => undefined))
      const error = await failureBy(name, options, (given) => serveTheUser(on.connection(host), id, given))
      assert.equal(error.name, name)
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*askThePeer[^]*serveTheUser`))
    })
  }

  it('leads to its caller behind an interceptor that has used up its time', async (test) => {
    const usesUp: CallerInterceptor = {
      single(_, next) {
        spend(2)
        return next()
      }
    }
    const interceptors = { caller: [retries({ maxAttempts: 2, baseDelayMs: 1 }), usesUp] }
    const on = new Servers(test).manager({ local, hosts: [local], interceptors })
    const error = await rejection(serveTheUser(on.connection(local), 'hangs', { timeout: 1 }))
    assert.match(error.stack ?? '', /^DeadlineError: .*askThePeer.*serveTheUser/s)
  })

  it('leads to what an interceptor throws of its own', async (test) => {
    const throwsOwn: CallerInterceptor = {
      async single() {
        throw new GridError('E_MINE', 'own')
      }
    }
    const on = new Servers(test).manager({ local, hosts: [local], interceptors: { caller: [throwsOwn] } })
    const error = await rejection(serveTheUser(on.connection(local), 'throws', {}))
    assert.match(error.stack ?? '', /^GridError: own\n[^\n]*stacks\.spec/)
  })

  it('leads to its caller where calls are published, whatever they fail by', async (test) => {
    const hear = () => undefined
    channels.call.start.subscribe(hear)
    channels.call.asyncEnd.subscribe(hear)
    test.after(() => channels.call.start.unsubscribe(hear))
    test.after(() => channels.call.asyncEnd.unsubscribe(hear))
    const on = new Servers(test).manager({ local, hosts: [local, 'http://b.test'] })
    on.handle('throws', () => {
      throw new Error('no')
    })
    for (const [host, id, metadata, name] of [
      [local, 'throws', {}, 'RemoteError'],
      [local, 'nobody', {}, 'UnknownHandlerError'],
      [local, 'throws', { large: 'x'.repeat(10_000) }, 'InvalidOptionError'],
      ['http://b.test', 'throws', {}, 'DisconnectedError']
    ] as const) {
      const error = await rejection(serveTheUser(on.connection(host), id, { metadata }))
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*askThePeer[^]*serveTheUser`))
    }
  })

  it('stays as it is, and so does the error, where an interceptor has frozen it', async (test) => {
    const frozen: unknown[] = []
    const freezes: CallerInterceptor = {
      single: async (_, next) => {
        try {
          return await next()
        } catch (error) {
          frozen.push(Object.freeze(error))
          throw error
        }
      }
    }
    const on = new Servers(test).manager({ local, hosts: [local], interceptors: { caller: [freezes] } })
    const error = await rejection(on.connection(local).request('nobody', undefined))
    assert.equal(error, frozen[0])
    assert.equal(error.delivery, 'notSent')
  })

  it('is left as it is, when it is the reason of a signal', async (test) => {
    const on = new Servers(test).manager({ local, hosts: [local] })
    on.handle('hangs', () => new Promise(() => undefined))
    const reason = new Error('enough')
    const { stack } = reason
    const controller = new AbortController()
    const call = on.connection(local).request('hangs', undefined, { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    assert.equal(await rejection(call), reason)
    assert.equal(reason.stack, stack)
    const hear = () => undefined
    channels.call.start.subscribe(hear)
    test.after(() => channels.call.start.unsubscribe(hear))
    const own = new GridError('E_MINE', 'enough')
    const before = own.stack
    const signal = AbortSignal.abort(own)
    assert.equal(await rejection(on.connection(local).request('hangs', undefined, { signal })), own)
    assert.equal(own.stack, before)
  })
  for (const when of ['before', 'during'] as const) {
    it(`is left as it is, when it is the reason of a signal that an interceptor gave, aborted ${when} the call`, async (test) => {
      const own = new GridError('E_MINE', 'enough')
      const before = own.stack
      const controller = new AbortController()
      if (when === 'before') controller.abort(own)
      const leaves: CallerInterceptor = { single: (_, next) => next({ signal: controller.signal }) }
      const on = new Servers(test).manager({ local, hosts: [local], interceptors: { caller: [leaves] } })
      on.handle('hangs', () => {
        setImmediate(() => controller.abort(own))
        return new Promise(() => undefined)
      })
      assert.equal(await rejection(serveTheUser(on.connection(local), 'hangs', {})), own)
      assert.equal(own.stack, before)
    })
  }
})

describe('the stack of a call at many peers that failed', () => {
  const throws = single<void, void>('throws')
  const hangs = single<void, void>('hangs')
  const nobody = single<void, void>('nobody')
  const twice = single<void, void>('throws', { idempotent: true })
  const [here, away] = [[local], ['http://b.test']]
  const late = { timeout: 20, waitForReady: true } as const
  type Ask = (grid: Manager, options: { readonly signal?: AbortSignal }) => Promise<unknown>

  async function ask(grid: Manager, call: Ask, options = {}): Promise<unknown> {
    return await call(grid, options)
  }

  async function askForTheUser(grid: Manager, call: Ask): Promise<unknown> {
    return await ask(grid, call)
  }

  function serve(test: TestContext, interceptors: readonly CallerInterceptor[] = []): Manager {
    const on = new Servers(test).manager({ local, hosts: [...here, ...away], interceptors: { caller: interceptors } })
    on.handle(throws, () => {
      throw new Error('no')
    })
    on.handle(hangs, () => new Promise(() => undefined))
    return on
  }

  const calls: readonly (readonly [what: string, name: string, call: Ask])[] = [
    ['any, at a handler that throws', 'RemoteError', (grid) => grid.any(throws, undefined, { hosts: here })],
    ['any, hedged', 'RemoteError', (grid) => grid.any(twice, undefined, { hosts: here, hedgeAfterMs: 1 })],
    ['any, by its deadline', 'DeadlineError', (grid) => grid.any(hangs, undefined, { hosts: here, timeout: 20 })],
    ['any, where no peer has it', 'UnknownHandlerError', (grid) => grid.any(nobody, undefined, { hosts: here })],
    [
      'any, where none comes to have it',
      'UnknownHandlerError',
      (grid) => grid.any(nobody, undefined, { hosts: here, ...late })
    ],
    ['any, where no peer comes', 'DeadlineError', (grid) => grid.any(throws, undefined, { hosts: away, ...late })],
    [
      'quorum, at a handler that throws',
      'QuorumError',
      (grid) => grid.quorum(throws, undefined, { hosts: here, need: 1 })
    ],
    [
      'quorum, by its deadline',
      'QuorumError',
      (grid) => grid.quorum(hangs, undefined, { hosts: here, need: 1, timeout: 20 })
    ],
    [
      'quorum, where no peer comes',
      'QuorumError',
      (grid) => grid.quorum(throws, undefined, { hosts: away, need: 1, ...late })
    ]
  ]
  for (const [what, name, call] of calls) {
    it(`leads to its caller, for ${what}`, async (test) => {
      const waits: CallerInterceptor = { single: async (_, next) => await next() }
      for (const on of [serve(test), serve(test, [waits])]) {
        const error = await rejection(askForTheUser(on, call))
        assert.match(error.stack ?? '', new RegExp(`^${name}: [^]*\\n *at (async )?ask [^]*askForTheUser`))
      }
    })
  }

  it('is left as it is, when it is the reason of a signal, also where a call before has failed by it', async (test) => {
    const on = serve(test)
    const reason = await rejection(on.any(throws, undefined, { hosts: here }))
    const { stack } = reason
    for (const call of [
      (grid: Manager, options: object) => grid.any(hangs, undefined, { hosts: here, ...options }),
      (grid: Manager, options: object) => grid.quorum(hangs, undefined, { hosts: here, need: 1, ...options })
    ]) {
      const controller = new AbortController()
      const error = rejection(ask(on, call, { signal: controller.signal }))
      setImmediate(() => controller.abort(reason))
      assert.equal(await error, reason)
      assert.equal(reason.stack, stack)
    }
  })
})

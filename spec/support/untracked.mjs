/**
 * Takes from the test runner of Node 20 what it watches every promise of the process with, which is nearly half of all that
 * the specs take of a processor: a hook that knows of which test each promise and each timer is.
 *
 * It asks that for two things, and is told both without the hook. A fact that is declared in a `describe` belongs to it: the
 * suite is the async resource in which its body runs. And an error that nobody caught fails the test that started last, which
 * is the one that runs but where a suite has several at once.
 *
 * Imported before `node:test` in a run of many files. A file that is run by itself has the hook.
 */

import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'

// Others may keep their tests in another way.
if (isMainThread && process.versions.node.startsWith('20.')) replaceWhileLoading()

function replaceWhileLoading() {
  const require = createRequire(import.meta.url)
  const hooks = require('node:async_hooks')
  const { AsyncResource, createHook, executionAsyncId } = hooks
  let init
  let latest = 0
  let isUncaught = false

  hooks.createHook = (callbacks) => {
    init = callbacks.init
    return { enable: () => undefined, disable: () => undefined }
  }
  // Tests and suites are the only ones.
  hooks.AsyncResource = class extends AsyncResource {
    constructor(...args) {
      super(...args)
      init?.(this.asyncId(), args[0], 0, this)
    }

    runInAsyncScope(...args) {
      latest = this.asyncId()
      return super.runInAsyncScope(...args)
    }
  }
  hooks.executionAsyncId = () => (isUncaught ? latest : executionAsyncId())
  require('node:test')
  Object.assign(hooks, { AsyncResource, createHook, executionAsyncId })

  // Before the runner hears of it.
  const onUncaught = () => {
    isUncaught = true
    queueMicrotask(() => {
      isUncaught = false
    })
  }
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
}

/** The processes that the specs start end with whoever started them. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { childEnvironment, endProcess, sourceArgs } from '../support/process/child.ts'

const kit = JSON.stringify(new URL('../support/process/obey.ts', import.meta.url).href)

/** `before` runs before it obeys. */
function start(before = ''): ChildProcess {
  const source = `
    import { obey, tell } from ${kit}
    setInterval(() => undefined, 1000)
    ${before}
    obey({})
    if (process.connected) tell('obeys')
  `
  const args = [...sourceArgs, '--input-type=module', '--eval', source]
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: childEnvironment() })
}

describe('a process that obeys a driver', () => {
  it('ends when the driver goes', async () => {
    const child = start()
    await once(child, 'message')
    child.disconnect()
    assert.deepEqual(await once(child, 'exit'), [1, null])
  })

  it('ends when the driver went while it was starting', async () => {
    const child = start('while (process.connected) await new Promise(setImmediate)')
    child.disconnect()
    assert.deepEqual(await once(child, 'exit'), [1, null])
  })
})

describe('the end of a process', () => {
  it('is there at once for one that has ended by itself, was never there, or was killed already', async () => {
    const [ended, missing, killed] = [
      spawn(process.execPath, ['--version'], { stdio: 'ignore' }),
      spawn('no-such-program').on('error', () => undefined),
      spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' })
    ]
    await once(ended, 'close')
    await endProcess(killed)
    for (const child of [ended, missing, killed, undefined]) await endProcess(child)
    assert.deepEqual([ended.exitCode, missing.pid, killed.signalCode], [0, undefined, 'SIGKILL'])
  })
})

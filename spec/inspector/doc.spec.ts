/** docs/inspector.md is true: its program serves the page to who has the password, and asks everybody else for it. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { before, describe, it } from 'node:test'
import { buildPage } from '../../lib/extras/inspector/page/build.mjs'
import { freePort } from '../support/network/free-port.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { read } from './look.ts'

const page = new MarkdownFile('docs/inspector.md')

before(() => buildPage())

describe('docs/inspector.md', () => {
  it('has a program that serves the page with its figures to who has the password, and asks everybody else for it', async () => {
    const port = String(await freePort())
    const program = (page.code('ts')[0] ?? '').replaceAll('9101', port)
    const args = [...sourceArgs, '--input-type=module', '--eval', program]
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...childEnvironment(), INSPECTOR_PASSWORD: 'a password' },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const gone = once(child, 'close')
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    try {
      await until(() => output.includes('/inspector/'), 'it says where the page is', 60_000)
      const url = output.trim()
      const as = (password: string) => `Basic ${Buffer.from(`oncall:${password}`).toString('base64')}`
      const status = async (authorization?: string) => {
        const answer = await fetch(url, { headers: authorization === undefined ? {} : { authorization } })
        await answer.arrayBuffer()
        return [answer.status, answer.headers.get('www-authenticate')]
      }
      const asks = [401, 'Basic realm="inspector"']
      for (const wrong of [undefined, as('wrong'), 'Bearer a password', 'Basic'])
        assert.deepEqual(await status(wrong), asks, `a browser asks again after ${wrong}`)
      assert.deepEqual(await status(as('a password')), [200, null])
      const told = await read(`${url}feed`, undefined, { authorization: as('a password') }).next()
      assert.deepEqual(told.value?.hosts, ['http://127.0.0.1:9001'])
    } finally {
      child.kill()
      await gone
    }
  })
})

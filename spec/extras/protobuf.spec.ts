/** `it-grid/protobuf`: generated messages over a grid, and what happens with values and bytes that are none. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { create, equals } from '@bufbuild/protobuf'
import { TimestampSchema, ValueSchema } from '@bufbuild/protobuf/wkt'
import { expectTypeOf } from 'expect-type'
import { type Codec, single, streaming } from 'it-grid'
import { protobuf } from 'it-grid/protobuf'
import { openGrid } from '../support/grid/grid.ts'
import { LogBook } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { compilesIn } from '../support/pages/program.ts'
import { childEnvironment, sourceArgs } from '../support/process/child.ts'
import { until } from '../support/until.ts'
import { type ListTodos, ListTodosSchema, type Todo, TodoSchema } from './todo_pb.ts'

const run = promisify(execFile)
const cache = join(root, 'node_modules/.cache')

const todo = protobuf(TodoSchema)
const add = single('todo.add', { request: todo, response: todo })
const list = streaming('todo.list', { payload: protobuf(ListTodosSchema), response: todo, inCapacity: 0 })

const milk = create(TodoSchema, {
  title: 'milk',
  due: 2n ** 63n,
  attachment: Uint8Array.of(1, 2),
  parts: [{ title: 'semi-skimmed', done: true }]
})

describe('protobuf()', () => {
  it('carries messages both ways, in requests and streams, with their types', async () => {
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle(add, (given) => ({ ...given, done: true }))
        manager.handle(list, async function* ({ done }) {
          for (let at = 0n; at < 3n; at++) yield create(TodoSchema, { due: at, done })
        })
      }
    })
    const peer = grid.at(0).connection(grid.at(1).local)
    const added = await peer.request(add, milk)
    expectTypeOf(added).toEqualTypeOf<Todo>()
    assert.ok(equals(TodoSchema, added, create(TodoSchema, { ...milk, done: true })))
    const listed: Todo[] = []
    for await (const each of peer.newStream(list, create(ListTodosSchema, { done: true }))) listed.push(each)
    assert.deepEqual(
      listed.map(({ due, done }) => [due, done]),
      [
        [0n, true],
        [1n, true],
        [2n, true]
      ]
    )
  })

  it('has the type of the message', () => {
    expectTypeOf(todo).toEqualTypeOf<Codec<Todo>>()
    expectTypeOf(protobuf(ListTodosSchema)).toEqualTypeOf<Codec<ListTodos>>()
    // @ts-expect-error a plain object has no type name
    assert.throws(() => todo.encode({ title: 'milk' }))
  })

  it('has the full name of the message as its fingerprint, so that two servers which mean others are told', async () => {
    assert.equal(todo.fingerprint, 'example.todo.Todo')
    const log = new LogBook()
    await using grid = await openGrid(2, {
      logger: log,
      serve(manager, index) {
        if (index === 0) manager.handle(add, (given) => given)
        else manager.handle(single('todo.add', { request: protobuf(ListTodosSchema) }), () => undefined)
      }
    })
    await until(() => log.warnings(/todo\.add/).length > 0, 'it is told')
    assert.equal(grid.running().length, 2)
  })

  it('keeps fields that it does not know', () => {
    const bytes = protobuf(TodoSchema).encode(milk)
    const passed = protobuf(ListTodosSchema)
    assert.ok(equals(TodoSchema, todo.decode(passed.encode(passed.decode(bytes))), milk))
  })

  it('refuses values that are no such message, before anything is sent', async () => {
    await using grid = await openGrid(2, { serve: (manager) => manager.handle(add, (given) => given) })
    const peer = grid.at(0).connection(grid.at(1).local)
    const refusals: [value: object | null, why: RegExp][] = [
      [{ title: 'milk' }, /must be a message example\.todo\.Todo; make it with create\(TodoSchema, \{ \.\.\. \}\)$/],
      [null, /must be a message example\.todo\.Todo; make it/],
      [create(TimestampSchema), /must be a message example\.todo\.Todo; it is a google\.protobuf\.Timestamp$/],
      [Object.assign(create(TodoSchema), { due: 'soon, a secret' }), /cannot encode field example\.todo\.Todo\.due$/],
      [
        Object.assign(create(TodoSchema), { parts: [{ title: 'x' }] }),
        /the value is no example\.todo\.Todo: cannot use field example\.todo\.Todo\.title/
      ]
    ]
    for (const [value, why] of refusals) {
      const error = await rejection(peer.request(add, value as Todo))
      assert.deepEqual([error.code, error.delivery], ['ERR_CODEC', 'notSent'])
      assert.match(error.message, why)
      assert.doesNotMatch(error.message, /secret/)
    }
  })

  it('names the message that bytes are not, at either end', async () => {
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle(add, (given) => given)
        manager.handle('raw', () => Uint8Array.of(0xff, 0xff))
      }
    })
    const peer = grid.at(0).connection(grid.at(1).local)
    const asCaller = await rejection(peer.request('todo.add', Uint8Array.of(10, 200)))
    assert.match(asCaller.message, /no example\.todo\.Todo: premature EOF/)
    const asHandler = await rejection(peer.request(single('raw', { request: todo, response: todo }), milk))
    assert.equal(asHandler.code, 'ERR_CODEC')
    assert.match(
      asHandler.message,
      /the response cannot be decoded: these bytes are no example\.todo\.Todo: premature EOF/
    )
    assert.ok(equals(TodoSchema, await peer.request(add, milk), milk))
  })

  it('decodes no message of endless depth', () => {
    const values = protobuf(ValueSchema)
    let bytes = values.encode(create(ValueSchema, { kind: { case: 'boolValue', value: true } }))
    // A list in a list, ever deeper: field 6 of a value is a list, field 1 of that its values.
    const within = (tag: number, body: Uint8Array) =>
      Uint8Array.of(tag, (body.length & 127) | 128, body.length >> 7, ...body)
    for (let depth = 0; depth < 500; depth++) bytes = within(0x32, within(0x0a, bytes))
    assert.throws(() => values.decode(bytes), /no google\.protobuf\.Value: .*recursion depth/)
  })

  it('takes the schema of a message only', () => {
    for (const wrong of [undefined, null, {}, { kind: 'enum', typeName: 'x' }, TodoSchema.file, 'Todo'] as never[]) {
      assert.throws(() => protobuf(wrong), { code: 'ERR_INVALID_OPTION', message: /TodoSchema of todo_pb\.js/ })
    }
  })
})

describe('the program of docs/protobuf.md', () => {
  const page = new MarkdownFile('docs/protobuf.md')

  it('compiles under strict types, and prints what the page says', async () => {
    mkdirSync(cache, { recursive: true })
    const folder = mkdtempSync(join(cache, 'protobuf-'))
    try {
      const file = join(folder, 'program.ts')
      writeFileSync(file, page.code('ts').join(''))
      copyFileSync(join(root, 'spec/extras/todo_pb.ts'), join(folder, 'todo_pb.ts'))
      await compilesIn(folder, ['*.ts'])
      const { stdout } = await run(process.execPath, [...sourceArgs, file], { cwd: root, env: childEnvironment() })
      assert.equal(stdout, page.code('text').join(''))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

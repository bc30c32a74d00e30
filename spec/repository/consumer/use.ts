/** A program of a user, which must compile as it is: here, and with each version of TypeScript that is supported. */

import {
  type Connection,
  type GridStream,
  Manager,
  type ManagerOptions,
  RemoteError,
  sharedSecret,
  single,
  streaming
} from 'it-grid'

const add = single<{ a: number; b: number }, number>('add')
const walk = streaming<string, never, { name: string }>('walk', { inCapacity: 0 })
const options: ManagerOptions = {
  local: 'http://a:1',
  hosts: ['http://a:1'],
  auth: sharedSecret('sixteen bytes and more')
}
await using manager = new Manager(options)
manager.handle(add, ({ a, b }) => a + b)
manager.handle(walk, function* (path) {
  yield { name: path.toUpperCase() }
})

export async function sum(connection: Connection): Promise<number> {
  const stream: GridStream<never, { name: string }> = connection.newStream(walk, '/')
  for await (const { name } of stream.responses) name.toUpperCase()
  return await connection.request(add, { a: 1, b: 2 })
}

export function misuse(connection: Connection): void {
  // @ts-expect-error the types arrive: a wrong argument does not compile
  connection.request(add, { a: 1, b: '2' })
  // @ts-expect-error and so does a handler that takes no requests
  connection.newStream(walk, '/').requests.push(1)
}

console.log(manager.local, manager.stats().handlerCount, new RemoteError('E', 'text').code)

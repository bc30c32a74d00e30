/**
 * `it-grid/nestjs`: controllers of NestJS that are called over a grid, and a client that calls them: a transport of its
 * `@nestjs/microservices`.
 *
 * A message is a stream, since an observable may give many values; who unsubscribes cancels the remote one. An event is a
 * request that is answered when its handlers have started.
 */

export { GridClient, type GridClientOptions } from './client.ts'
export { GridContext } from './context.ts'
export { GridServer, type GridServerOptions, gridTransport } from './server.ts'

/** An app of `nestjs-processes.spec.ts`, which also asks others. */

import { GridClient } from 'it-grid/nestjs'
import { firstValueFrom } from 'rxjs'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'
import { happened, startApp } from './nestjs-app.ts'

export type NestServerWords = typeof words

const { manager, words: ofServer } = startServer(given<ServerInit>())
const app = startApp(manager)
const words = {
  ...ofServer,
  async listening() {
    await app
    return await ofServer.listening()
  },
  happened: () => happened,
  ask: (host: string, pattern: unknown, data: unknown) =>
    firstValueFrom(new GridClient(manager, { hosts: [host], waitForReady: true }).send<unknown>(pattern, data)),
  /** As `app.enableShutdownHooks()` and the end of the grid have it. */
  async close() {
    await (await app).close()
    await ofServer.close()
  }
}
obey(words)

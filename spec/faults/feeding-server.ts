/** A process that sends its caller as many empty messages as it has credit for. */

import { bytes, single, streaming } from '../../lib/index.ts'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

const { manager, words } = startServer(given<ServerInit>())
let fed = 0
const fedCount = single<undefined, number>('fed')
const feed = streaming<Uint8Array, never, Uint8Array>('feed', { payload: bytes(), response: bytes(), inCapacity: 0 })
manager.handle(feed, function* () {
  const nothing = new Uint8Array(0)
  for (;;) {
    fed++
    yield nothing
  }
})
manager.handle(fedCount, () => fed)
obey(words)

import { it } from 'node:test'
import { connectWS, single } from '../../lib/index.ts'
import { nameThat } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { Child } from '../support/process/child.ts'
import type { ServerInit, ServerWords } from '../support/process/server.ts'
import { enter } from '../support/raw/dialer.ts'
import { credit, open, rawSingle, table } from '../support/raw/make.ts'
import { WebSocketWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

const feeder = 'http://feeder.test:9000'
const rawName = nameThat('dials', feeder, (n) => `http://raw-${n}.test:9000`)
const honestName = nameThat('dials', feeder, (n) => `http://honest-${n}.test:9000`)

it('a peer that grants without end, and takes all at once, keeps its server from nobody else', async (test) => {
  const init: ServerInit = { local: feeder, hosts: [feeder, rawName, honestName] }
  const child = new Child<ServerWords>(new URL('./feeding-server.ts', import.meta.url), init)
  test.after(() => child.kill())
  const url = `http://127.0.0.1:${(await child.ask('listening')).port}`

  const wire = await WebSocketWire.open(url)
  const raw = await enter(wire, { host: rawName, remote: feeder })
  // Nothing is read but off the socket: so it takes all that the server has written before that has written more.
  wire.ws.removeAllListeners('message')
  raw.send(table(rawSingle), open(1, 0, 1), credit(1, 2 ** 31 - 2 ** 12, 2 ** 31 - 2 ** 21))

  const { manager } = await new Servers(test).node(honestName, [feeder, honestName], {
    dialer: (_address, dial) => connectWS()(url, dial)
  })
  const honest = manager.connection(feeder)
  await honest.waitForConnect({ signal: AbortSignal.timeout(20_000) })
  const askFed = () => honest.request(single<undefined, number>('fed'), undefined, { timeout: 20_000 })
  let fed = 0
  for (let asked = 0; asked < 20; asked++) {
    const before = fed
    // On a busy machine its socket may be full for a moment: this process is to empty it.
    await until(async () => {
      fed = await askFed()
      return fed > before
    }, `it goes on, at ${before}`)
  }
  wire.cut()
  await child.ask('close')
  await child.exited()
})

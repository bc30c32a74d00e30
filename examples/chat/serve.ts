/** `npx tsx serve.ts`: three chat servers until Ctrl-C. Open any of them in a browser, or several. */

import { startServers } from './servers.ts'

const hosts = ['http://127.0.0.1:9001', 'http://127.0.0.1:9002', 'http://127.0.0.1:9003']
await startServers(hosts)
console.log(`chat at ${hosts.join(', ')}`)

/** Loads each extra of the installed package, as a user has it, and uses two of them. Prints the names that are exported. */

import { readFile } from 'node:fs/promises'
import { insecure, Manager, silentLogger } from 'it-grid'
import { instrument } from 'it-grid/otel'
import { collectGridMetrics } from 'it-grid/prometheus'
import { Registry } from 'prom-client'

const { exports } = JSON.parse(await readFile(new URL('node_modules/it-grid/package.json', import.meta.url), 'utf8'))
const extras = Object.keys(exports).filter((name) => name !== '.' && !name.endsWith('.json'))
for (const name of extras) {
  const loaded = await import(name.replace('.', 'it-grid'))
  console.log(`${name} ${Object.keys(loaded).sort().join(' ')}`)
}

const host = 'http://127.0.0.1:9000'
const grid = new Manager({ local: host, hosts: [host], auth: insecure(), logger: silentLogger })
grid.handle('echo', (payload) => payload)
const register = new Registry()
const ends = [collectGridMetrics(grid, { register }), instrument()]
await grid.connection(host).request('echo')
const metrics = await register.metrics()
if (!metrics.includes('it_grid_served_total{kind="single",handler="echo",subroute=""} 1')) throw new Error(metrics)
for (const end of ends) end()
await grid.close()
console.log('all work')

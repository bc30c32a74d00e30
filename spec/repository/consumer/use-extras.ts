/** A program of a user of the extras, which must compile as it is where their peers are installed. */

import { insecure, Manager } from 'it-grid'
import { type CollectOptions, collectGridMetrics } from 'it-grid/prometheus'
import { Registry } from 'prom-client'

await using grid = new Manager({ local: 'http://a:1', hosts: ['http://a:1'], auth: insecure() })
const options: CollectOptions = { register: new Registry(), prefix: 'app_' }
const end: () => void = collectGridMetrics(grid, options)
end()

export function misuse(): void {
  // @ts-expect-error the types arrive: an option that there is not
  collectGridMetrics(grid, { registry: new Registry() })
}

/** The far end as a process of its own: listens as one contestant and reports its CPU time when asked. */

import { contestants } from './contestants/index.ts'

const contestant = contestants.find(({ name }) => name === process.argv[2])
if (contestant === undefined) throw new Error(`no contestant ${process.argv[2]}`)
const server = await contestant.listen()
process.on('message', (message) => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
  else server.close().then(() => process.disconnect())
})
process.send?.({ address: server.address })

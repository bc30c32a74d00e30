/** Guests: who is connected to a server and in no list of hosts, with what it calls. */

import { Panel } from './parts.tsx'
import type { Picture } from './store.ts'
import { age, count, ms, nameOf, orUnknown } from './text.ts'

export function Guests({ picture, now }: { picture: Picture; now: number }) {
  const { guests, hosts, servers } = picture
  const inAll = [...servers.values()].reduce((sum, server) => sum + (server.guests ?? 0), 0)
  const note =
    inAll > guests.length ? `${guests.length} of ${inAll} are shown` : 'in no list of hosts, such as a command line'
  return (
    <div class="gap">
      <Panel id="guests" title="Guests" note={note}>
        <table class="rows">
          <caption class="sr">Guests</caption>
          <thead>
            <tr>
              <th scope="col">guest</th>
              <th scope="col">at</th>
              <th scope="col" class="num hide-s">
                connected for
              </th>
              <th scope="col" class="num hide-s">
                round trip
              </th>
              <th scope="col" class="num">
                calls
              </th>
              <th scope="col" class="num">
                failed
              </th>
              <th scope="col" class="num">
                running
              </th>
              <th scope="col" class="num hide-s" title="calls of the server to the guest">
                called
              </th>
            </tr>
          </thead>
          <tbody>
            {guests.map(({ server, name, since, rttMs, calls, failed, running, asked }) => (
              <tr key={`${server} ${name} ${since}`}>
                <td class="wrap">{name}</td>
                <td class="wrap">{nameOf(hosts, server)}</td>
                <td class="num hide-s">{age(now - since)}</td>
                <td class="num hide-s">{orUnknown(rttMs, ms)}</td>
                <td class="num">{count(calls)}</td>
                <td class="num">{count(failed)}</td>
                <td class="num">{count(running)}</td>
                <td class="num hide-s">{count(asked)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
    </div>
  )
}

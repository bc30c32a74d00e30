/** One handler: its charts, each of its servers on one scale, its errors by code, who calls it. */

import type { ComponentChildren } from 'preact'
import type { Chart, HandlerDetail } from '../model.ts'
import { Charts } from './charts.tsx'
import { newest, useNews } from './news.ts'
import { Back, Empty, Panel, Spark, Title } from './parts.tsx'
import { linkTo } from './route.ts'
import { chartSlots, type Picture } from './store.ts'
import { age, count, ms, nameOf, nameOfKey, rate, size, unknown } from './text.ts'

const meanings: Readonly<Record<string, string>> = {
  ERR_DEADLINE: 'its time was over',
  ERR_CANCELLED: 'its caller gave it up: not counted as an error above',
  ERR_REJECTED: 'refused at the door',
  ERR_DISCONNECTED: 'the connection was lost',
  ERR_REMOTE: 'thrown by the handler',
  _OTHER: 'a mistake, thrown without a code, or one of many codes'
}

const noChart: Chart = {
  ...{ p50: empty(), p99: empty(), calls: empty(), errors: empty() }
}

/** What is so many times usual stands out. */
const slowTimes = 3

function empty(): null[] {
  return Array.from({ length: chartSlots }, () => null)
}

export interface HandlerProps {
  picture: Picture
  now: number
  id: string
  isFrozen: boolean
}

export function Handler({ picture, now, id, isFrozen }: HandlerProps) {
  const known = useNews<HandlerDetail>(`handler?key=${encodeURIComponent(id)}`, isFrozen, newest)
  const row = picture.handlers.get(id)
  const name = nameOfKey(id)
  const others = picture.sums?.handlersNotShown ?? 0
  const notShown = known?.callersNotShown ? `; ${count(known.callersNotShown)} with fewer calls not shown` : ''
  const back = <Back to={linkTo(['handlers'])}>Handlers</Back>
  if (row === undefined) {
    return (
      <>
        {back}
        <Title>
          <span class="mono">{name}</span>
        </Title>
        <Empty title="No server that answers has this handler">
          It may be gone, or its servers do not answer now
          {others === 0 ? '.' : `, or it is one of the ${count(others)} handlers that are not shown.`}
        </Empty>
      </>
    )
  }
  const kind = row.kind === 'single' ? 'request' : 'stream'
  return (
    <>
      {back}
      <Title note={`${kind} · on ${row.servers} of ${picture.hosts.length} servers`}>
        <span class="mono">{name}</span>
      </Title>
      <div class="cols left-wide">
        <div class="col">
          <Panel id="duration" title="Duration" note="all servers together, as the handler saw it">
            <Charts
              chart={picture.charts.get(id) ?? noChart}
              usual={row.usual}
              marks={known?.marks ?? []}
              now={now}
              slot={picture.slot}
            />
          </Panel>
          <Panel id="by-server" title="By server" note="p99, the same scale for all">
            <ByServer
              picture={picture}
              now={now}
              detail={known}
              usual={row.usual}
              where={row.isSlow ? row.where : undefined}
            />
          </Panel>
        </div>
        <div class="col">
          <Panel id="figures" title="Now">
            <table class="ends">
              <caption class="sr">Figures of the last 10 s</caption>
              <tbody>
                <Fact name="calls">{rate(row.calls)} /s</Fact>
                <Fact name="running">
                  {row.running}
                  {row.oldestMs === undefined ? '' : `, the oldest for ${ms(row.oldestMs)}`}
                </Fact>
                <Fact name="bytes">
                  {row.bytesIn === undefined ? unknown : `${size(row.bytesIn)}/s in, ${size(row.bytesOut ?? 0)}/s out`}
                </Fact>
                <Fact name="usual p99">{row.usual === undefined ? 'not known below 1,000 calls' : ms(row.usual)}</Fact>
                <Fact name="since the processes began">
                  {known === undefined ? unknown : `${count(known.calls)} calls, ${count(known.failed)} failed`}
                </Fact>
              </tbody>
            </table>
          </Panel>
          <Panel id="codes" title="Errors by code">
            <Codes detail={known} />
          </Panel>
          <Panel id="callers" title="Who calls it" note={`open now, by caller${notShown}`}>
            <Callers detail={known} picture={picture} now={now} />
          </Panel>
        </div>
      </div>
    </>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{children}</td>
    </tr>
  )
}

interface ByServerProps {
  picture: Picture
  now: number
  detail: HandlerDetail | undefined
  usual: number | undefined
  where: string | undefined
}

function ByServer({ picture, now, detail, usual, where }: ByServerProps) {
  if (detail === undefined) return <Empty title="Comes in a second" />
  const values = detail.byServer.flatMap(({ p99 }) => p99.map((value) => value ?? 0))
  const most = Math.max(...values, (usual ?? 0) * 3) * 1.08 || 1
  const list = [...detail.byServer].sort((a, b) => Number(b.host === where) - Number(a.host === where))
  return (
    <div class="mini">
      {list.map(({ host, p99, state }) => {
        const isOdd = host === where
        const at = picture.servers.get(host)?.at
        const last = p99.at(-1)
        const isHigh = isOdd && typeof last === 'number' && last >= slowTimes * (usual ?? 0)
        const text =
          state !== 'answers'
            ? `${at === undefined ? 'old' : `${age(now - at)} old`}`
            : last === null || last === undefined
              ? unknown
              : ms(last)
        return (
          <figure key={host} class={state === 'answers' ? '' : 'stale'}>
            <figcaption>
              <span class={isOdd ? 'b' : ''}>{nameOf(picture.hosts, host)}</span>
              <span class={isHigh ? 'bad b' : 'muted'}>{text}</span>
            </figcaption>
            <Spark values={p99} width={150} height={34} isHot={isOdd} usual={usual} most={most} />
          </figure>
        )
      })}
    </div>
  )
}

function Codes({ detail }: { detail: HandlerDetail | undefined }) {
  if (detail === undefined) return <Empty title="Comes in a second" />
  if (detail.codes.length === 0) return <Empty title="No call has failed">since the processes began.</Empty>
  return (
    <table class="rows">
      <caption class="sr">Errors by code</caption>
      <thead>
        <tr>
          <th scope="col">code</th>
          <th scope="col" class="num">
            /s
          </th>
          <th scope="col" class="num">
            in all
          </th>
        </tr>
      </thead>
      <tbody>
        {detail.codes.map(({ code, rate: perSecond, total }) => (
          <tr key={code}>
            <td class="wrap">
              <span class="mono">{code.slice(0, 200)}</span>
              <div class="note">{meanings[code]}</div>
            </td>
            <td class={`num${perSecond ? ' bad b' : ''}`}>{rate(perSecond)}</td>
            <td class="num">{count(total)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Callers({ detail, picture, now }: { detail: HandlerDetail | undefined; picture: Picture; now: number }) {
  if (detail === undefined || detail.callers.length === 0) return <Empty title="No call is open now" />
  return (
    <table class="rows">
      <caption class="sr">Callers</caption>
      <tbody>
        {detail.callers.map(({ host, open, oldestAt }) => (
          <tr key={host}>
            <td>{nameOf(picture.hosts, host)}</td>
            <td class="num">{open} open</td>
            <td class="num">oldest {ms(Math.max(0, now - oldestAt))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** The matrix of so many servers that it is a picture: only rows and columns that differ are named, and the cell that is pointed at. */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { Cell } from '../model.ts'
import { type Colouring, type Scale, stepOf, tone, viewOf } from './cells.ts'
import { colourOf } from './colours.ts'
import { toConnection } from './route.ts'
import type { Picture } from './store.ts'
import { nameOf } from './text.ts'

const side = 6
/** Names stand before the cells. */
const [left, top] = [66, 62]
/** Sharp on screens of two dots a pixel. */
const dots = 2

type Place = readonly [row: number, column: number]

const steps: Readonly<Record<string, Place>> = {
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0]
}

export interface PlotProps {
  picture: Picture
  scale: Scale
  by: Colouring
  now: number
}

export function Plot({ picture, scale, by, now }: PlotProps) {
  const { hosts, servers, cells } = picture
  const canvas = useRef<HTMLCanvasElement>(null)
  const [at, setAt] = useState<Place>()
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (context !== null && context !== undefined) draw(context, picture, scale, at)
  })
  const placeOf = ({ clientX, clientY }: MouseEvent): Place => {
    const { x = 0, y = 0 } = canvas.current?.getBoundingClientRect() ?? {}
    return [Math.floor((clientY - y) / side), Math.floor((clientX - x) / side)]
  }
  const open = ([row, column]: Place = [-1, -1]) => {
    const [from, to] = [hosts[row], hosts[column]]
    if (from !== undefined && to !== undefined && from !== to) location.hash = toConnection(from, to)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const [row, column] = at ?? [0, 0]
    const within = (place: number) => Math.max(0, Math.min(hosts.length - 1, place))
    setAt([within(row + step[0]), within(column + step[1])])
  }
  const odd = hosts.map((host, place) => [servers.get(host), place] as const).filter(([server]) => tone(server) !== '')
  const length = hosts.length * side
  return (
    <div class="matrix hide-s">
      <button
        type="button"
        class="plot"
        aria-label={`Matrix of ${hosts.length} servers, ${odd.length} differ; arrow keys move in it`}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => setAt(placeOf(event))}
        onClick={() => open(at)}
      >
        <canvas
          ref={canvas}
          width={length * dots}
          height={length * dots}
          style={{ width: `${length}px`, height: `${length}px` }}
        />
        {odd.map(([server, place]) => (
          <span key={place} class={server?.severity}>
            <b style={{ left: 0, top: `${top - 3 + place * side}px` }}>{nameOf(hosts, server?.host ?? '')}</b>
            <b class="c" style={{ top: 0, left: `${left - 3 + place * side}px` }}>
              {nameOf(hosts, server?.host ?? '')}
            </b>
          </span>
        ))}
      </button>
      <p class="note below" role="status">
        {at === undefined || hosts[at[0]] === undefined || hosts[at[1]] === undefined
          ? 'Point at a cell, or move by arrow keys: it is named here.'
          : sentence(at)}
      </p>
    </div>
  )

  function sentence([row, column]: Place): string {
    const [from = '', to = ''] = [hosts[row], hosts[column]]
    const cell = cells.get(`${from} ${to}`)
    const names = [nameOf(hosts, from), nameOf(hosts, to)] as const
    return cell === undefined ? `${names[0]} itself` : viewOf(cell, servers.get(from), scale, by, now, names).name
  }
}

function draw(context: CanvasRenderingContext2D, picture: Picture, scale: Scale, at: Place | undefined): void {
  const { hosts, servers, cells } = picture
  const colours = coloursNow()
  context.setTransform(dots, 0, 0, dots, 0, 0)
  context.clearRect(0, 0, hosts.length * side, hosts.length * side)
  context.lineWidth = 1
  for (const [row, from] of hosts.entries()) {
    const isOld = servers.get(from)?.state !== 'answers'
    for (const [column, to] of hosts.entries()) {
      const cell = cells.get(`${from} ${to}`)
      if (cell !== undefined)
        drawCell(context, [row, column], isOld ? 'old' : cell.state, stepOf(scale, scale.read(cell, 0)), colours)
    }
  }
  if (at === undefined) return
  context.strokeStyle = colours.text
  context.strokeRect(at[1] * side - 0.5, at[0] * side - 0.5, side, side)
}

/** A state is a shape too. */
function drawCell(
  context: CanvasRenderingContext2D,
  [row, column]: Place,
  state: Cell['state'] | 'old',
  step: number,
  colours: Colours
): void {
  const [x, y] = [column * side, row * side]
  const size = side - 1
  const line = (...points: readonly number[]) => {
    context.beginPath()
    for (let at = 0; at < points.length; at += 2)
      context.lineTo(x + (points[at] as number), y + (points[at + 1] as number))
    context.stroke()
  }
  context.fillStyle = {
    up: colours.steps[step] ?? '',
    down: colours.down,
    try: colours.wait,
    unknown: colours.line,
    old: colours.line
  }[state]
  context.fillRect(x, y, size, size)
  if (state === 'up') return
  context.strokeStyle = state === 'down' ? colours.onDown : state === 'try' ? colours.onWait : colours.edge
  if (state === 'down') {
    line(1, 1, 4, 4)
    line(4, 1, 1, 4)
  } else if (state === 'try') line(0.5, 4, 2.5, 1, 4.5, 4, 0.5, 4)
  else line(0, size, size, 0)
}

interface Colours {
  readonly steps: readonly string[]
  readonly down: string
  readonly onDown: string
  readonly wait: string
  readonly onWait: string
  readonly line: string
  readonly edge: string
  readonly text: string
}

function coloursNow(): Colours {
  return {
    ...{ down: colourOf('--badFill'), onDown: colourOf('--onBad') },
    ...{ wait: colourOf('--warnFill'), onWait: colourOf('--onWarn') },
    ...{ line: colourOf('--line'), edge: colourOf('--edge'), text: colourOf('--text') },
    steps: [0, 1, 2, 3, 4].map((at) => colourOf(`--q${at}`))
  }
}

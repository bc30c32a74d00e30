/**
 * `npm run demo:picture`: runs the demo and draws what it printed, when it printed it, as docs/demo.svg.
 *
 * The picture is animated by CSS alone, since a page shows it as an image, which runs no scripts. Whoever wants no motion sees the
 * last lines. Each line comes when it came, the pauses no longer than a reader needs.
 */

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { headlines } from './headlines.ts'

interface Line {
  readonly text: string
  readonly atMs: number
}

const rows = 30
const lineHeightPx = 18
const charWidthPx = 8.4
const paddingPx = 16
const longestPauseMs = 1_200
/** Lines of one act come at once; a reader needs longer. */
const shortestMs = 60
const holdMs = 6_000
const codes = new Set(Object.values(headlines).flatMap(({ code }) => code.map((line) => line.trim())))

const lines = await record()
const file = fileURLToPath(new URL('../../docs/demo.svg', import.meta.url))
writeFileSync(file, draw([{ text: '$ npm run demo', atMs: 0 }, ...lines]))

async function record(): Promise<Line[]> {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const lines: Line[] = []
  let [last, atMs] = [performance.now(), 0]
  for await (const text of createInterface({ input: child.stdout })) {
    const now = performance.now()
    atMs += Math.max(shortestMs, Math.min(now - last, longestPauseMs))
    last = now
    lines.push({ text, atMs })
  }
  if ((await exited) !== 0) throw new Error(`the demo failed:\n${lines.map(({ text }) => text).join('\n')}`)
  return lines
}

function draw(lines: readonly Line[]): string {
  const width = Math.ceil(80 * charWidthPx + 2 * paddingPx)
  const height = rows * lineHeightPx + 2 * paddingPx
  const totalMs = (lines.at(-1)?.atMs ?? 0) + holdMs
  const percent = (atMs: number) => `${((100 * atMs) / totalMs).toFixed(2)}%`
  const up = (line: number) => -Math.max(0, line + 1 - rows) * lineHeightPx
  const steps = lines.map(({ atMs }, line) => `${percent(atMs)} { transform: translateY(${up(line)}px) }`)
  const texts = lines.map(({ text, atMs }, line) => {
    const y = paddingPx + (line + 0.75) * lineHeightPx
    const style = `animation-delay: ${Math.round(atMs)}ms`
    return `<text x="${paddingPx}" y="${y}" class="${kindOf(text)}" style="${style}" xml:space="preserve">${escaped(text)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>The output of npm run demo: five claims, each below the code that it is about</title>
<style>
svg { background: #10151c; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
text { fill: #c9d4e0; opacity: 0; animation: show 1ms forwards }
.bold { fill: #fff; font-weight: bold }
.held { fill: #5fd38d }
.code { fill: #7cc4ff }
#screen { transform: translateY(${up(lines.length - 1)}px); animation: scroll ${Math.round(totalMs)}ms steps(1) }
@keyframes show { to { opacity: 1 } }
@keyframes scroll { 0% { transform: none } ${steps.join(' ')} }
@media (prefers-reduced-motion: reduce) { text, #screen { animation: none; opacity: 1 } }
</style>
<rect width="100%" height="100%" rx="8" fill="#10151c"/>
<g id="screen">
${texts.join('\n')}
</g>
</svg>
`
}

/** How a line looks, by what the report makes of it. */
function kindOf(text: string): string {
  if (/^\d+\. |^it-grid:|^\$ /.test(text)) return 'bold'
  if (/^ {0,3}✓/.test(text)) return 'held'
  return codes.has(text.trim()) ? 'code' : 'said'
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

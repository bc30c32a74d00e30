/**
 * The few SVG elements that the charts are made of, on a card of its own colour.
 *
 * GitHub shows an SVG as an image, which follows the colour scheme of the system and not that of the page; on its own
 * card it can be read on either.
 */

const style = `
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 10px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 13px; font-weight: 600 }
  .head { font-size: 11px; font-weight: 600 }
  .ours { font-weight: 700 }
  .faint { fill: #59636e }
  .tick { fill: #59636e; font-size: 9px }
  .grid { stroke: #d8dee4 }
  .unit { stroke: #1f2328 }
  .spread { stroke: #1f2328; stroke-opacity: 0.55 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .faint, .tick { fill: #9198a1 }
    .grid { stroke: #262c36 }
    .unit, .spread { stroke: #f0f6fc }
  }`

const left = 16

export interface TextOptions {
  readonly className?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly fill?: string
}

export function text(x: number, y: number, content: string, { className, anchor, fill }: TextOptions = {}): string {
  const attributes = [
    className === undefined ? '' : ` class="${className}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
    fill === undefined ? '' : ` style="fill: ${fill}"`
  ].join('')
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escaped(content)}</text>`
}

export function rect(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"/>`
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${className}"/>`
}

export function polyline(points: readonly (readonly [number, number])[], stroke: string, width: number): string {
  const list = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')
  return `<polyline points="${list}" fill="none" stroke="${stroke}" stroke-width="${width}"/>`
}

export function dot(x: number, y: number, fill: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="2.5" fill="${fill}"/>`
}

type Size = readonly [width: number, height: number]
type Lines = readonly string[]

/** The whole image, under a headline and lines that say more. `title` is for those who cannot see it. */
export function svg([width, height]: Size, title: string, [headline = '', ...more]: Lines, elements: Lines): string {
  const lines = [
    text(left, 24, headline, { className: 'title' }),
    ...more.map((line, i) => text(left, 41 + 14 * i, line, { className: 'faint' }))
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>${style}
</style>
<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
${[...lines, ...elements].join('\n')}
</svg>
`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

/**
 * Reads the pages of this repository for the specs: headings, links, tables, blocks of code.
 *
 * Only as much Markdown as our own pages use.
 */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface MarkdownFile {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
  /** The texts of all headings, in their Markdown. */
  headings(): string[]
  /** The text under a heading, up to the next one of the same rank or a higher one. */
  section(heading: string): string
  /** All tables under a heading as one list of rows, cells without backticks; header and ruler rows included. */
  rows(heading: string): string[][]
  /** The blocks of code in a language. */
  code(language: string): string[]
  /** Links that lead nowhere: to a file that does not exist, or to a heading that its page does not have. */
  brokenLinks(): string[]
}

export function markdownFile(path: string): MarkdownFile {
  const text = readFileSync(join(root, path), 'utf8')
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '')
  const section = (heading: string) => sectionOf(prose, heading, path)
  return {
    path,
    text,
    headings: () => headingsOf(prose),
    section,
    rows: (heading) => tableRows(section(heading)),
    code: (language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(body),
    brokenLinks: () => linksOf(prose).filter((link) => !leadsSomewhere(path, link))
  }
}

function body(match: RegExpMatchArray): string {
  return match[1] ?? ''
}

function headingsOf(prose: string): string[] {
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(body)
}

function sectionOf(prose: string, heading: string, path: string): string {
  const lines = prose.split('\n')
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  const rank = /^#+/.exec(lines[start] ?? '')?.[0].length
  if (rank === undefined) throw new Error(`${path} has no section "${heading}"`)
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => (/^#+(?= )/.exec(line)?.[0].length ?? Number.POSITIVE_INFINITY) <= rank)
  return (end === -1 ? rest : rest.slice(0, end)).join('\n')
}

function tableRows(section: string): string[][] {
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.map((line) =>
    line
      .replaceAll('\\|', '\u0000')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('\u0000', '|').replaceAll('`', '').trim())
  )
}

function linksOf(prose: string): string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(body)
}

function leadsSomewhere(from: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return true
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? from : join(dirname(from), file)
  if (!existsSync(join(root, target))) return false
  if (anchor === undefined) return true
  return target.endsWith('.md') && anchors(readFileSync(join(root, target), 'utf8')).has(anchor)
}

/** As GitHub makes them: lower case, without punctuation, hyphens for spaces, numbered where two are equal. */
function anchors(text: string): Set<string> {
  const found = new Set<string>()
  for (const heading of headingsOf(text.replace(/^```[\s\S]*?^```$/gm, ''))) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const base = words.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    let anchor = base
    for (let number = 1; found.has(anchor); number++) anchor = `${base}-${number}`
    found.add(anchor)
  }
  return found
}

/**
 * Reads the pages of this repository for the specs: headings, links, tables, blocks of code.
 *
 * Only as much Markdown as our own pages use.
 */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

export class MarkdownFile {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
  readonly #prose: string

  constructor(path: string) {
    this.path = path
    this.text = readFileSync(join(root, path), 'utf8')
    this.#prose = this.text.replace(/^```[\s\S]*?^```$/gm, '')
  }

  /** The texts of all headings, in their Markdown. */
  headings(): string[] {
    return matches(this.#prose, /^#+ (.+)$/gm)
  }

  /** The text under a heading, up to the next one of the same rank or a higher one. */
  section(heading: string): string {
    const lines = this.#prose.split('\n')
    const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
    const rank = /^#+/.exec(lines[start] ?? '')?.[0].length
    if (rank === undefined) throw new Error(`${this.path} has no section "${heading}"`)
    const rest = lines.slice(start + 1)
    const end = rest.findIndex((line) => (/^#+(?= )/.exec(line)?.[0].length ?? Number.POSITIVE_INFINITY) <= rank)
    return (end === -1 ? rest : rest.slice(0, end)).join('\n')
  }

  /** All tables under a heading as one list of rows, cells without backticks; header and ruler rows included. */
  rows(heading: string): string[][] {
    const lines = matches(this.section(heading), /^\|(.*)\|$/gm)
    return lines.map((line) =>
      line.split(/(?<!\\)\|/).map((cell) => cell.replaceAll('\\|', '|').replaceAll('`', '').trim())
    )
  }

  /** The blocks of code in a language. */
  code(language: string): string[] {
    return matches(this.text, new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))
  }

  /** Links that lead nowhere: to a file that does not exist, or to a heading that its page does not have. */
  brokenLinks(): string[] {
    return matches(this.#prose, /\]\(([^)\s]+)\)/g).filter((link) => !this.#leadsSomewhere(link))
  }

  #leadsSomewhere(link: string): boolean {
    if (/^[a-z]+:/.test(link)) return true
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? this.path : join(dirname(this.path), file)
    if (!existsSync(join(root, target))) return false
    return anchor === undefined || (target.endsWith('.md') && new MarkdownFile(target).#anchors().has(anchor))
  }

  /** As GitHub makes them: lower case, without punctuation, hyphens for spaces, numbered where two are equal. */
  #anchors(): Set<string> {
    const found = new Set<string>()
    for (const heading of this.headings()) {
      const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
      const base = words.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
      let anchor = base
      for (let number = 1; found.has(anchor); number++) anchor = `${base}-${number}`
      found.add(anchor)
    }
    return found
  }
}

/** The first group of every match. */
function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group = '']) => group)
}

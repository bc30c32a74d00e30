/**
 * `npm run site`: gathers the pages of the documentation site in `.pages` and builds it into `dist`.
 *
 * They are the README, CHANGELOG, SECURITY and docs/*.md, which stay readable where they are, and the reference that TypeDoc makes
 * of the sources. Links from file to file become links of the site; VitePress refuses those that lead nowhere.
 */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { build } from 'vitepress'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = join(here, '.pages')

/** From a source of a page to its name on the site. */
const nameOf = { 'README.md': 'index.md', 'CHANGELOG.md': 'changelog.md', 'SECURITY.md': 'security.md' }

rmSync(pages, { recursive: true, force: true })
mkdirSync(pages)
for (const source of Object.keys(nameOf)) gather(source)
for (const entry of readdirSync(join(root, 'docs'), { withFileTypes: true })) {
  const source = `docs/${entry.name}`
  if (entry.name.endsWith('.md')) gather(source)
  else if (entry.name !== 'site') cpSync(join(root, source), join(pages, entry.name), { recursive: true })
}
await reference()
await build(here)

function gather(source) {
  const text = readFileSync(join(root, source), 'utf8')
  // Not within blocks of code.
  const parts = text.split(/^(```[\s\S]*?^```$)/m)
  const linked = parts
    .map((part, at) => (at % 2 === 1 ? part : part.replace(/(?<=\]\()[^)\s]+/g, (href) => onSite(source, href))))
    .join('')
  writeFileSync(join(pages, nameOf[source] ?? posix.basename(source)), linked)
}

/** Where a link of a page leads on the site, whose pages lie beside each other. */
function onSite(source, href) {
  if (/^([a-z]+:|#)/.test(href)) return href
  const [file, anchor] = href.split('#')
  const target = posix.join(posix.dirname(source), file)
  const page = nameOf[target] ?? target.replace(/^docs\//, '')
  return `./${page}${anchor === undefined ? '' : `#${anchor}`}`
}

/** The doc comments of the sources as pages: one for each entry of the package. */
async function reference() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entryPoints = Object.values(exports)
    .filter((entry) => typeof entry === 'object')
    .map(({ types }) => join(root, types.replace('dist', 'lib').replace(/\.d\.ts$/, '.ts')))
  const options = join(here, 'typedoc.json')
  const app = await Application.bootstrapWithPlugins({ options, entryPoints, out: join(pages, 'api') })
  const project = await app.convert()
  if (project === undefined) throw new Error('the sources could not be read')
  await app.generateOutputs(project)
  if (app.logger.hasErrors()) throw new Error('the reference could not be made')
}

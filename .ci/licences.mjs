/**
 * `npm run licences`: the packages that come with it-grid, and their licences, as docs/licences.md.
 *
 * What npm installs for a user, all the way down: dependencies and optional ones. Peers of extras are named as such, without what
 * they bring along: who uses them has chosen them.
 */

import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))

export function page() {
  const manifest = read(join(root, 'package.json'))
  const lock = read(join(root, 'package-lock.json')).packages
  const found = new Map()
  const walk = (names, from) => {
    for (const name of names) {
      const path = locate(lock, from, name)
      if (path === undefined || found.has(path)) continue
      found.set(path, { name, ...lock[path], licence: licenceOf(lock, path) })
      walk(Object.keys({ ...lock[path].dependencies, ...lock[path].optionalDependencies }), path)
    }
  }
  walk(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }), '')
  const rows = [...found.values()].sort((a, b) =>
    `${a.name} ${a.version}`.localeCompare(`${b.name} ${b.version}`, 'en')
  )
  const peers = Object.keys(manifest.peerDependencies).sort()
  return `# Licences

it-grid itself is under the MIT licence. \`npm run licences\` makes this page from the lock file.

## What comes with it

| package | version | licence |
| --- | --- | --- |
${rows.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`).join('\n')}

Packages whose name ends in a platform are prebuilt binaries: npm installs the one that fits, or none.

## What extras need, if you use them

| package | versions | licence |
| --- | --- | --- |
${peers.map((name) => `| ${name} | ${manifest.peerDependencies[name].replaceAll('|', '\\|')} | ${licenceOf(lock, `node_modules/${name}`)} |`).join('\n')}
`
}

/** Where the lock file has a package that another one asks for: the nearest one, as Node looks for it. */
function locate(lock, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (path in lock) return path
    if (folder === '') return undefined
  }
}

function licenceOf(lock, path) {
  if (lock[path]?.license !== undefined) return lock[path].license
  const file = join(root, path, 'package.json')
  return (existsSync(file) && read(file).license) || 'unknown'
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(join(root, 'docs/licences.md'), page())
}

/**
 * `node .ci/release.mjs ADDRESS FOLDER`: a copy of the package in FOLDER, as it is published from the repository at ADDRESS.
 *
 * This is the one place that knows a public address, and it is told it: `repository`, `homepage` and `bugs` come from it, and so
 * do the links of the README that a package page must follow. `npm publish ./FOLDER` does the rest.
 */

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The package.json of a release: without what only a clone needs. */
export function stamped(manifest, address) {
  const { scripts: _scripts, devDependencies: _devDependencies, overrides: _overrides, ...published } = manifest
  return {
    ...published,
    repository: { type: 'git', url: `git+${address}.git` },
    homepage: `${address}#readme`,
    bugs: `${address}/issues`
  }
}

/** The README of a release: its relative links lead to the repository at the tag of that version. */
export function linked(text, address, version) {
  const target = (href, kind) => (/^([a-z]+:|#)/.test(href) ? href : `${address}/${kind}/v${version}/${href}`)
  const link = (part) =>
    part
      .replace(/(!\[[^\]]*\]\()([^)\s]+)/g, (_, label, href) => label + target(href, 'raw'))
      .replace(/((?<!!)\[[^\]]*\]\()([^)\s]+)/g, (_, label, href) => label + target(href, 'blob'))
  // Not within blocks of code.
  const parts = text.split(/^(```[\s\S]*?^```$)/m)
  return parts.map((part, at) => (at % 2 === 1 ? part : link(part))).join('')
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [address = '', given] = process.argv.slice(2)
  if (!/^https:\/\/[^/\s]+\/\S*[^/\s]$/.test(address) || address.endsWith('.git') || given === undefined) {
    console.error('usage: node .ci/release.mjs https://HOST/OWNER/NAME FOLDER')
    process.exit(2)
  }
  const folder = resolve(given)
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`)
  const packs = mkdtempSync(join(tmpdir(), 'it-grid-release-'))
  try {
    const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
    const file = execFileSync('npm', ['pack', '--silent', '--pack-destination', packs], options)
      .trim()
      .split('\n')
      .at(-1)
    execFileSync('tar', ['-x', '-z', '-f', join(packs, file), '-C', packs])
    mkdirSync(folder, { recursive: true })
    cpSync(join(packs, 'package'), folder, { recursive: true })
  } finally {
    rmSync(packs, { recursive: true })
  }
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(stamped(manifest, address), null, 2)}\n`)
  const readme = join(folder, 'README.md')
  writeFileSync(readme, linked(readFileSync(readme, 'utf8'), address, manifest.version))
  console.log(`${manifest.name} ${manifest.version} is in ${folder}`)
}

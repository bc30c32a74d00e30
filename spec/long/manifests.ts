/**
 * The files of deploy/ against published schemas: those of Kubernetes by `kubernetes-validate` of PyPI, and that of the Compose
 * Specification by `dclint` of npm. And that both tools find a mistake.
 *
 *     npm run long:manifests
 *
 * Needs `python3` with `venv`, and the registries.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../support/pages/markdown.ts'

const run = promisify(execFile)
const validator = 'kubernetes-validate==1.37.0'
const linter = 'dclint@3.1.0'
/** Of custom resources, whose schemas are nowhere in the registries. */
const withoutSchema = /Couldn't find schema for kind \w+ with api version cert-manager\.io\/v1 /

const folder = mkdtempSync(join(tmpdir(), 'it-grid-manifests-'))

/** What it prints, and whether it is content. */
async function say(command: string, args: readonly string[]): Promise<{ isGood: boolean; text: string }> {
  return await run(command, args, { cwd: folder }).then(
    ({ stdout, stderr }) => ({ isGood: true, text: stdout + stderr }),
    ({ stdout, stderr, message }) => ({ isGood: false, text: `${message}\n${stdout}${stderr}` })
  )
}

/** The same file with a mistake in it. */
function spoil(path: string, from: string, to: string): string {
  const text = readFileSync(path, 'utf8')
  assert.ok(text.includes(from), `${path} has no ${from}`)
  const spoiled = join(folder, 'spoiled.yaml')
  writeFileSync(spoiled, text.replace(from, to))
  return spoiled
}

try {
  await run('python3', ['-m', 'venv', join(folder, 'venv')])
  const bin = (name: string) => join(folder, 'venv/bin', name)
  await run(bin('pip'), ['install', '--quiet', '--disable-pip-version-check', validator])
  const validate = (path: string) => say(bin('kubernetes-validate'), ['--strict', path])
  const manifests = readdirSync(join(root, 'deploy/kubernetes')).map((name) => join(root, 'deploy/kubernetes', name))
  for (const path of manifests) {
    const { isGood, text } = await validate(path)
    const wrong = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('INFO') && !withoutSchema.test(line))
    assert.ok(isGood && wrong.length === 0, text)
    console.log(text.trim().replaceAll(`${root}/`, '').replaceAll(root, ''))
  }
  const [statefulSet = ''] = manifests.filter((path) => path.endsWith('statefulset.yaml'))
  const found = await validate(spoil(statefulSet, 'publishNotReadyAddresses', 'publishNotReadyAdresses'))
  assert.ok(!found.isGood && /publishNotReadyAdresses/.test(found.text), found.text)

  const compose = join(root, 'deploy/compose.yaml')
  const lint = (path: string) => say('npx', ['--yes', linter, '--quiet', path])
  const { isGood, text } = await lint(compose)
  assert.ok(isGood, text)
  const seen = await lint(spoil(compose, 'stop_grace_period', 'stop_grace_time'))
  assert.ok(!seen.isGood && /invalid-schema/.test(seen.text), seen.text)
  console.log(`${validator}, ${linter}: all files fit their schemas, and a mistake in each kind is found`)
} finally {
  rmSync(folder, { recursive: true })
}

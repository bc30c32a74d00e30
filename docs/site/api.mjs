/**
 * The reports of the public surface: what each entry of the package exports, as API Extractor writes it.
 *
 * `npm run api` writes docs/site/report/*.api.md; with `--check` it fails where they differ from the sources, and says
 * in what. They are in the repository, so that a change of the public surface is seen in review.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'

const root = fileURLToPath(new URL('../..', import.meta.url))
const isCheck = process.argv.includes('--check')
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.entries(exports).filter(([, entry]) => typeof entry === 'object')
const reports = fileURLToPath(new URL('report', import.meta.url))
const temporary = mkdtempSync(join(tmpdir(), 'it-grid-api-'))
const quiet = { default: { logLevel: 'none' } }
let hasChanged = false

mkdirSync(reports, { recursive: true })
try {
  const names = entries.map(([path, { types }]) => report(path === '.' ? 'it-grid' : path.slice(2), types))
  for (const file of readdirSync(reports)) {
    if (names.includes(file)) continue
    hasChanged = true
    console.error(`${file}: the package has no such entry any more`)
    if (!isCheck) rmSync(join(reports, file))
  }
} finally {
  rmSync(temporary, { recursive: true })
}
if (isCheck && hasChanged) {
  console.error('The public surface has changed: run `npm run api`, and look at what it changes.')
  process.exitCode = 1
}

function report(name, types) {
  const reportFileName = name.replaceAll('/', '-')
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: join(root, 'package.json'),
    configObjectFullPath: join(root, 'docs/site/api.mjs'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, types),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        includeForgottenExports: name === 'it-grid',
        reportFolder: reports,
        reportTempFolder: temporary,
        reportFileName
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: { extractorMessageReporting: quiet, compilerMessageReporting: quiet, tsdocMessageReporting: quiet }
    }
  })
  const { apiReportChanged, succeeded } = Extractor.invoke(config, { localBuild: !isCheck, showVerboseMessages: false })
  if (!succeeded && !apiReportChanged) throw new Error(`the report of ${name} could not be made`)
  const file = `${reportFileName}.api.md`
  if (apiReportChanged) {
    hasChanged = true
    console.error(`${file}: ${isCheck ? 'differs from the sources' : 'written'}`)
    if (isCheck) difference(join(reports, file), join(temporary, file))
  }
  return file
}

/** The lines that only one of both has. */
function difference(before, after) {
  const [old, now] = [before, after].map((file) => {
    try {
      return readFileSync(file, 'utf8').split('\n')
    } catch {
      return [] // there is no report yet
    }
  })
  for (const line of old) if (!now.includes(line)) console.error(`- ${line}`)
  for (const line of now) if (!old.includes(line)) console.error(`+ ${line}`)
}

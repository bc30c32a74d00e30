/**
 * The library as its users have it: what `npm run build` made.
 *
 * Only where these files themselves run as sources, in a spec, is it the sources too. Figures are not asked for there.
 */

import type * as Grid from 'it-grid'

const isSource = import.meta.url.endsWith('.ts')
/** `benchmarks/dist/compare/library.js` beside `dist/`, or `benchmarks/compare/library.ts` beside `lib/`. */
const entry = new URL(isSource ? '../../lib/index.ts' : '../../../dist/index.js', import.meta.url)

export const measures = isSource ? 'the sources, through a loader: no figures to go by' : 'the built library'
export const loadLibrary = async (): Promise<typeof Grid> => (await import(entry.href)) as typeof Grid

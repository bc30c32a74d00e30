/** How the specs start a process of ours: one that runs a source as it is. */

/** Arguments of `node` before the file. */
export const sourceArgs: readonly string[] = ['--import', new URL('../typescript.mjs', import.meta.url).href]

/** The environment of a child: what it runs is no part of the coverage, and taking that slows it down. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const { NODE_V8_COVERAGE: _, ...rest } = process.env
  return rest
}

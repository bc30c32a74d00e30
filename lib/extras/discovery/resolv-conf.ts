/** Search domains, which Node's resolver does not apply: `nodes` is `nodes.prod.svc.cluster.local` in a pod. */

import { readFile } from 'node:fs/promises'

const path = '/etc/resolv.conf'

/** The names to ask for in turn, as resolv.conf(5) says. */
export async function searchNames(name: string, file = path): Promise<string[]> {
  if (name.endsWith('.')) return [name]
  const { domains, ndots } = parse(await readFile(file, 'utf8').catch(() => ''))
  const completed = domains.map((domain) => `${name}.${domain}`)
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name, ...completed] : [...completed, name]
}

/**
 * What the first of the names has that has anything. A server that fails for one of them (SERVFAIL, such as where it does not reach
 * those of a search domain) says nothing of the next ones, as elsewhere on the machine.
 *
 * @throws the first of such failures where none has anything, and any other failure at once
 */
export async function askInTurn<T>(names: readonly string[], ask: (name: string) => Promise<readonly T[]>) {
  let failure: { readonly error: unknown } | undefined
  for (const name of names) {
    try {
      const found = await ask(name)
      if (found.length > 0) return found
    } catch (error) {
      if (Object(error).code !== 'ESERVFAIL') throw error
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
  return []
}

/** The last of the lines counts, of each kind. */
function parse(text: string): { readonly domains: readonly string[]; readonly ndots: number } {
  let domains: string[] = []
  let ndots = 1
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/)
    if (word === 'search' || word === 'domain')
      domains = rest.map((domain) => domain.replace(/\.$/, '')).filter(Boolean)
    if (word === 'options') ndots = Number(/\bndots:(\d+)/.exec(line)?.[1] ?? ndots)
  }
  return { domains, ndots }
}

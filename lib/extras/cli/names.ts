/**
 * Names in the room that there is. Names of servers and handlers often differ in a few characters only, at any place: so what
 * all have in common is left out first, and no two are shown alike as long as that can be.
 */

import { widthOf } from './text.ts'

const mark = '…'

/** What each name is shown as, in so many columns of a terminal. */
export function fitNames(names: Iterable<string>, width: number): Map<string, string> {
  const all = [...new Set(names)]
  const isHosts = all.every((name) => name.includes('://'))
  const short = isHosts ? (all.length > 1 ? [...shortNames(all).values()] : all.map(withoutScheme)) : all
  const middles = short.map((name) => cutMiddle(name, width))
  const shown = [all, short, middles].find((each) => isFit(each, width)) ?? cores(short, width)
  return new Map(all.map((name, at) => [name, shown[at] ?? name]))
}

function isFit(names: readonly string[], width: number): boolean {
  return new Set(names).size === names.length && names.every((name) => widthOf(name) <= width)
}

/** The part in which they differ, and of what stands before it as much as there is room for. */
function cores(names: readonly string[], width: number): string[] {
  const all = names.map((name) => Array.from(name))
  const least = Math.min(...all.map(({ length }) => length))
  const [one = []] = all
  let [start, end] = [0, 0]
  while (start < least && all.every((name) => name[start] === one[start])) start++
  while (end < least - start && all.every((name) => name.at(-1 - end) === one.at(-1 - end))) end++
  const longest = Math.max(...all.map(({ length }) => length - start - end))
  const from = Math.max(0, start - Math.max(0, width - longest - 2))
  const marked = (name: readonly string[]) =>
    (from > 0 ? mark : '') + name.slice(from, name.length - end).join('') + (end > 0 ? mark : '')
  return all.map((name) => cutMiddle(marked(name), width))
}

/** Its beginning and its end. */
export function cutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width < 1) return ''
  const characters = Array.from(text)
  const take = (given: readonly string[], room: number) => {
    let [count, left] = [0, room - widthOf(given[0] ?? '')]
    while (left >= 0) left -= widthOf(given[++count] ?? mark)
    return count
  }
  const head = take(characters, Math.ceil((width - 1) / 2))
  const tail = take(characters.toReversed(), Math.floor((width - 1) / 2))
  return `${characters.slice(0, head).join('')}${mark}${characters.slice(characters.length - tail).join('')}`
}

function withoutScheme(host: string): string {
  return host.slice(host.indexOf('//') + 2)
}

/** What all names have in common is left out: `http://` and `.test:9000` of `http://a.test:9000`. */
export function shortNames(hosts: readonly string[]): Map<string, string> {
  const [first = ''] = hosts
  const scheme = first.slice(0, first.indexOf('//') + 2)
  if (hosts.length < 2 || !hosts.every((host) => host.startsWith(scheme)))
    return new Map(hosts.map((host) => [host, host]))
  const names = hosts.map((host) => host.slice(scheme.length))
  let end = 0
  const [one = ''] = names
  while (end < one.length && names.every((name) => name.length > end + 1 && name.at(-1 - end) === one.at(-1 - end)))
    end++
  while (end > 0 && !/[.:]/.test(one.at(-end) ?? '')) end--
  return new Map(hosts.map((host, at) => [host, (names[at] ?? '').slice(0, (names[at] ?? '').length - end)]))
}

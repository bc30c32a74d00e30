/** The documentation site: what is on it and in which order. `build.mjs` gathers its pages in `.pages`. */

import { defineConfig } from 'vitepress'

const group = (text: string, pages: readonly (readonly [string, string])[]) => ({
  text,
  items: pages.map(([text, page]) => ({ text, link: `/${page}` }))
})

export default defineConfig({
  title: 'it-grid',
  description: 'Requests and streams between servers over exactly one two-way WebSocket per pair',
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.cache',
  /** No request for an icon that is not there. */
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  /** Links to headings are those that GitHub makes of the same pages. */
  markdown: {
    anchor: {
      slugify: (text) =>
        text
          .trim()
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .replaceAll(' ', '-')
    }
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'Reference', link: '/reference' },
      { text: 'API', link: '/api/' }
    ],
    sidebar: [
      group('Start', [
        ['Two minutes', ''],
        ['Tutorial', 'tutorial'],
        ['Things to know', 'things-to-know'],
        ['Where it runs', 'support']
      ]),
      group('Guides', [
        ['Calls', 'calls'],
        ['Streams and flow control', 'flow-control'],
        ['Errors', 'errors'],
        ['Many peers and retries', 'many-peers'],
        ['More cores, more processes', 'processes'],
        ['Auth and certificates', 'auth'],
        ['Your HTTP server', 'http-server'],
        ['With your framework', 'frameworks'],
        ['Socket.IO', 'socket.io'],
        ['Protobuf', 'protobuf'],
        ['Shutdown and deploys', 'shutdown'],
        ['Testing', 'testing'],
        ['Locks', 'locks']
      ]),
      group('Operate', [
        ['Discovery', 'discovery'],
        ['Guests', 'guests'],
        ['Command line', 'command-line'],
        ['What is wrong: doctor', 'doctor'],
        ['Behind proxies', 'proxies'],
        ['Containers and Kubernetes', 'deploy'],
        ['Through NATS', 'nats'],
        ['Traces, metrics, events', 'observability'],
        ['The page for the person on call', 'inspector'],
        ['Performance', 'performance'],
        ['How far a mesh goes', 'scale'],
        ['Faults, case by case', 'faults'],
        ['Security', 'security']
      ]),
      group('Reference', [
        ['Options and members', 'reference'],
        ['API of the sources', 'api/'],
        ['Protocol', 'protocol'],
        ['Architecture', 'architecture'],
        ['Decisions', 'decisions'],
        ['Licences', 'licences'],
        ['Changelog', 'changelog']
      ])
    ]
  }
})

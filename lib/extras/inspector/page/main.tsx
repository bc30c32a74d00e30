/** The page: which screen is shown, its frame, its keys, and when it is drawn. */

import { type ComponentChildren, render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import 'uplot/dist/uPlot.min.css'
import './page.css'
import { Connection } from './connection.tsx'
import { Events } from './events.tsx'
import { Handler } from './handler.tsx'
import { Handlers } from './handlers.tsx'
import { refused } from './news.ts'
import { Now, Servers } from './now.tsx'
import { Empty, Glyph } from './parts.tsx'
import { linkTo, readRoute, screens } from './route.ts'
import { Store } from './store.ts'
import { age, nameOf } from './text.ts'
import { Trace } from './trace.tsx'
import { Waits } from './waits.tsx'

/** Without news for so long, all that is shown is old. */
const oldMs = 3000
/** What comes and goes is said to screen readers at most so often. */
const sayMs = 10_000

const tabOf: Readonly<Record<string, string>> = { handler: 'handlers', conn: 'servers' }

function App({ store }: { store: Store }) {
  const { shown: picture, now, state, silentMs, frozen } = store
  const route = readRoute()
  const tab = tabOf[route.screen] ?? route.screen
  const [isHelp, setHelp] = useState(false)
  const isFrozen = frozen !== undefined
  useKeys(store, setHelp)
  useTheme(route.query.get('theme'))
  const isOld = state === 'lost' || (state === 'live' && silentMs > oldMs)
  if (state === 'refused') {
    return (
      <main id="main">
        <Empty title="You may not look at this grid">The rule of this page said no.</Empty>
      </main>
    )
  }
  const props = { picture, now, route, isFrozen }
  const screen = {
    now: () => <Now {...props} />,
    servers: () => <Servers {...props} />,
    handlers: () => <Handlers {...props} />,
    handler: () => <Handler {...props} id={route.rest.join('/')} />,
    conn: () => <Connection {...props} />,
    waits: () => <Waits {...props} />,
    events: () => <Events {...props} />,
    trace: () => <Trace {...props} />
  }[route.screen]
  return (
    <>
      <a class="skip" href="#main" onClick={toMain}>
        Skip to the figures
      </a>
      <header class="top">
        <div class="brand">
          it-grid <span>{picture.local === '' ? '' : `from ${nameOf(picture.hosts, picture.local)}`}</span>
        </div>
        <nav class="tabs" aria-label="Screens">
          {screens.map(([key, label]) => (
            <a key={key} href={linkTo([key])} aria-current={key === tab ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <Live store={store} isOld={isOld} />
      </header>
      {isOld || refused.why !== '' ? <Banner store={store} isOld={isOld} /> : null}
      <Said
        text={
          picture.local === ''
            ? 'Opening.'
            : picture.answers
                .filter(({ severity, id }) => severity === 'bad' || (severity === 'warn' && id !== 'happened'))
                .map(({ id, answer }) => `${said[id]} ${answer}`)
                .join('; ')
        }
      />
      {isHelp ? <Help onClose={() => setHelp(false)} /> : null}
      <main id="main" tabIndex={-1} class={isOld ? 'is-old' : ''}>
        {picture.local === '' ? (
          <Empty title="Opening">The first figures come in a moment.</Empty>
        ) : (
          (screen?.() ?? <Now {...props} />)
        )}
      </main>
    </>
  )
}

function toMain(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function Live({ store, isOld }: { store: Store; isOld: boolean }) {
  const { picture, frozen, silentMs } = store
  const total = picture.hosts.length
  const answering = picture.sums?.answering ?? 0
  return (
    <div class="live">
      {total === 0 ? (
        <span>opening</span>
      ) : answering < total ? (
        <span class="warn b">{`${answering} of ${total} answer`}</span>
      ) : (
        <span>{`all ${total} answer`}</span>
      )}
      <span class={isOld ? 'bad' : picture.words % 2 === 0 ? 'ok' : 'ok beat'}>
        <Glyph kind="info" silent />
      </span>
      <span>
        <span class="hide-s">{isOld ? 'old, ' : 'live, '}</span>
        {(silentMs / 1000).toFixed(1)}&nbsp;s
      </span>
      <button
        type="button"
        class="freeze"
        id="freeze"
        aria-pressed={frozen !== undefined}
        aria-label="Freeze the page, space"
        onClick={() => store.toggleFreeze()}
      >
        <svg viewBox="0 0 10 10" aria-hidden="true">
          <path d="M1 0h3v10H1zM6 0h3v10H6z" fill="currentColor" />
        </svg>
        <span>{frozen === undefined ? 'Freeze' : `Frozen at ${new Date(frozen.at).toLocaleTimeString()}`}</span>
      </button>
    </div>
  )
}

function Banner({ store, isOld }: { store: Store; isOld: boolean }) {
  const { picture, silentMs, triesAtMs, why } = store
  const inSeconds = Math.max(0, Math.ceil((triesAtMs - performance.now()) / 1000))
  const name = picture.local === '' ? 'the server' : nameOf(picture.hosts, picture.local)
  const parts = isOld
    ? [
        why || `No word from ${name} for ${age(silentMs)}.`,
        picture.local === '' ? '' : `All below is as of ${new Date(picture.at).toLocaleTimeString()}.`,
        inSeconds > 0 ? `Tries again in ${inSeconds} s.` : 'Tries again now.'
      ]
    : [refused.why]
  return (
    <div class="banner" role="alert">
      <Glyph kind="bad" />
      <span>{parts.filter((part) => part !== '').join(' ')}</span>
    </div>
  )
}

const said = {
  connected: 'Connected?',
  slow: 'Slow:',
  fails: 'Fails:',
  waits: 'Waits:',
  happened: 'Happened:'
} as const

/** One polite live region; it is not told each second. */
function Said({ text }: { text: string }) {
  const [said, setSaid] = useState(text)
  const saidMs = useRef(Number.NEGATIVE_INFINITY)
  useEffect(() => {
    if (text === said) return undefined
    const timer = setTimeout(
      () => {
        saidMs.current = performance.now()
        setSaid(text)
      },
      Math.max(0, saidMs.current + sayMs - performance.now())
    )
    return () => clearTimeout(timer)
  }, [text, said])
  return (
    <p class="sr" role="status">
      {said === '' ? 'All is well.' : said}
    </p>
  )
}

const keysKept = 'it-grid-keys'
const help: readonly (readonly [keys: string, what: string])[] = [
  ['1 – 6', 'the screens: Now, Servers, Handlers, Waits, Events, Trace'],
  ['/', 'the filter of the screen'],
  ['arrows, Enter', 'move in the matrix, open a connection'],
  ['Esc', 'back'],
  ['Space', 'freeze what is shown; the feed goes on'],
  ['?', 'this list']
]

function areKeysOn(): boolean {
  return sessionStorage.getItem(keysKept) !== 'off'
}

function Help({ onClose }: { onClose(): void }) {
  const [isOn, setOn] = useState(areKeysOn())
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const toggle = () => {
    sessionStorage.setItem(keysKept, isOn ? 'off' : 'on')
    setOn(!isOn)
  }
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="keys-h">
      <h2 id="keys-h">Keys</h2>
      <table class="ends">
        <caption class="sr">Keys</caption>
        <tbody>
          {help.map(([keys, what]) => (
            <tr key={keys}>
              <th scope="row" class="mono">
                {keys}
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="below">
        <button type="button" class="btn sec" aria-pressed={!isOn} onClick={toggle}>
          {isOn ? 'Turn keys off' : 'Turn keys on'}
        </button>{' '}
        <button type="button" class="btn" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </p>
    </dialog>
  )
}

function useKeys(store: Store, setHelp: (isHelp: boolean) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (target.closest('input,select,dialog') !== null) {
        if (event.key === 'Escape') target.blur()
        return
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '?') return setHelp(true)
      if (!areKeysOn()) return
      const screen = screens[Number(event.key) - 1]
      if (screen !== undefined) location.hash = linkTo([screen[0]])
      else if (event.key === 'Escape') history.back()
      else if (event.key === '/') {
        event.preventDefault()
        // At once: what is typed next is for the field.
        const find = () => document.getElementById('find')
        find()?.focus()
        if (find() !== null) return
        addEventListener('hashchange', () => requestAnimationFrame(() => find()?.focus()), { once: true })
        location.hash = linkTo(['handlers'])
      } else if (event.key === ' ' && target.closest('button,a') === null) {
        event.preventDefault()
        store.toggleFreeze()
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

function useTheme(theme: string | null): void {
  useEffect(() => {
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme
    else delete document.documentElement.dataset.theme
  }, [theme])
}

/** The state of the grid, also where the tab is not looked at: nothing is drawn there. */
function writeTitle(): void {
  const { picture, state: feed } = store
  const { screen } = readRoute()
  const gone = [...picture.servers.values()].filter(({ severity }) => severity === 'bad').length
  const isOdd = picture.answers.some(
    ({ severity, id }) => id !== 'happened' && (severity === 'bad' || severity === 'warn')
  )
  const told = picture.local === '' ? '…' : gone > 0 ? `✕ ${gone} gone` : isOdd ? '▲' : '✓'
  // What was told last is no news then.
  const state = feed === 'lost' ? '✕ no word' : feed === 'refused' ? '✕ refused' : told
  const title = `${state} · ${tabOf[screen] ?? screen} · it-grid`
  if (document.title !== title) document.title = title
}

const root = document.getElementById('page') as HTMLElement
/** Ages grow, also while nothing is told: what is told each second comes before that. */
const againMs = 1100
let frame = 0
let again: ReturnType<typeof setTimeout> | undefined
const store: Store = new Store(() => {
  writeTitle()
  draw()
})

/** Once a frame at most. */
function draw(): void {
  if (frame !== 0) return
  frame = requestAnimationFrame(() => {
    frame = 0
    clearTimeout(again)
    again = setTimeout(draw, againMs)
    render((<App store={store} />) as ComponentChildren, root)
  })
}

addEventListener('hashchange', () => {
  writeTitle()
  draw()
  if (!location.hash.startsWith('#handlers&') && !location.hash.startsWith('#events&')) scrollTo(0, 0)
})
draw()

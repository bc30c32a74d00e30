/**
 * What the page is told, as JSON: shared by the serving process and the page. Types only. Moments are ms since the epoch by
 * the clock of the process that serves the page; the page only shows their age. A text is the peers' own, shown as text.
 */

import type { NextDial } from './words.ts'

export type Severity = 'bad' | 'warn' | 'info' | 'ok'

/** One of the five answers. */
export interface Answer {
  readonly id: 'connected' | 'slow' | 'fails' | 'waits' | 'happened'
  readonly severity: Severity
  readonly answer: string
  readonly detail: string
}

/** `answers`: its figures are fresh. `silent`: they are old. `refuses`: connected, but tells nothing. `away`: not connected to this server. */
export type ServerState = 'answers' | 'silent' | 'refuses' | 'away'

/** How much a server has to do. */
export interface ServerLoad {
  /** Share of the time in which its event loop worked, from 0 to 1. */
  readonly busy?: number
  readonly calls?: number
  /** Peers that are in nobody's list. */
  readonly guests?: number
}

export interface ServerFigures extends ServerLoad {
  readonly host: string
  readonly state: ServerState
  /** Of its last figures. */
  readonly at?: number
  readonly startedAt?: number
  /** How many of the others it is connected to, as itself tells, or else as others tell. */
  readonly up: number
  readonly severity: Severity
  /** What is special, in words. */
  readonly note: string
}

/** `down`: not connected, and nobody else is either. `try`: not connected, while others are. */
export type CellState = 'up' | 'try' | 'down' | 'unknown'

/** What one server says of its connection to another one. */
export interface Cell extends NextDial {
  readonly from: string
  readonly to: string
  readonly state: CellState
  /** When it entered that state. */
  readonly since?: number
  readonly rttMs?: number
  readonly streams?: number
  readonly queueBytes?: number
  readonly why?: string
  /** The other end, which answers too, says another thing. */
  readonly differs?: boolean
}

export interface NamedHandler {
  readonly key: string
  readonly name: string
  readonly kind: 'single' | 'streaming'
}

/** Per second and in ms, over the last 10 s. */
export interface HandlerRates {
  /** None while the window is too short for a rate. */
  readonly calls?: number
  readonly errors?: number
  readonly bytesIn?: number
  readonly bytesOut?: number
  readonly p50?: number
  readonly p99?: number
  /** The p99 since each process began, but for the last minutes; none below 1,000 calls. */
  readonly usual?: number
}

/** One handler, of all servers that answer together. */
export interface HandlerRow extends NamedHandler, HandlerRates {
  readonly running: number
  /** Age of the oldest call that runs. */
  readonly oldestMs?: number
  /** How far from usual: 1 is usual. */
  readonly unusual: number
  readonly isSlow: boolean
  readonly fails: boolean
  /** The server that stands out. */
  readonly where?: string
  readonly servers: number
}

/** A chart: one value for each slot of 5 s, the newest last; none where nothing is known. */
export type Points = readonly (number | null)[]

export interface Chart {
  readonly p50: Points
  readonly p99: Points
  readonly calls: Points
  readonly errors: Points
}

export type PackedSeries = readonly [p50: Points, p99: Points, calls: Points, errors: Points]

/** The last points of charts. */
export interface PointsOf<Of> {
  /** The number of the newest slot. */
  readonly slot: number
  /** How many slots are told here. */
  readonly count: number
  readonly of: readonly Of[]
}

/** The window of one half of a stream, in messages or bytes; its parts add up to `capacity`. */
export interface Bar {
  readonly unit: 'messages' | 'bytes'
  readonly capacity: number
  /** The one end that tells of it, where only one does. */
  readonly by?: 'sender' | 'receiver'
  /** May be sent; by the receiver alone also what is on the way. */
  readonly free: number
  readonly onTheWay: number
  /** There, and not taken. */
  readonly unread: number
  /** Taken, and not yet granted again; by the sender alone all that is not granted back. */
  readonly owed: number
  /** The other unit, in words. */
  readonly other: string
}

/** Of which handler, and of which of its streams. */
export interface OfCall {
  readonly handler: string
  readonly handlerKey: string
  readonly id?: number
}

/** Somebody that waits for somebody. */
export interface Wait extends OfCall {
  readonly key: string
  readonly cause: 'credit' | 'socket' | 'handler' | 'producer'
  readonly severity: Severity
  /** Who waits: one server, or several. */
  readonly who: readonly string[]
  readonly whom: string
  readonly since: number
  readonly why: string
  readonly bar?: Bar
}

/** Something that happened, in words. */
export interface Happening {
  /** Stays while its words change. */
  readonly id: number
  readonly at: number
  readonly severity: Severity
  readonly title: string
  readonly detail: string
}

/** Somebody who is in no list of hosts, as one server tells of it. */
export interface Guest {
  readonly server: string
  readonly name: string
  readonly since: number
  readonly rttMs?: number
  /** Calls that it has made there, those that failed, and those that run. */
  readonly calls: number
  readonly failed: number
  readonly running: number
  /** Calls of the server to it. */
  readonly asked: number
}

export interface Sums {
  readonly calls?: number
  readonly errors?: number
  readonly bytes?: number
  readonly streams: number
  readonly requests: number
  readonly answering: number
  /** Handlers that have no row, where there are any. */
  readonly handlersNotShown?: number
}

/** The parts of the picture that have changed. */
export interface Changes {
  readonly hosts?: readonly string[]
  readonly servers?: readonly ServerFigures[]
  readonly cells?: readonly Cell[]
  readonly handlers?: readonly HandlerRow[]
  readonly answers?: readonly Answer[]
  readonly waits?: readonly Wait[]
  readonly quiet?: readonly Wait[]
  readonly events?: readonly Happening[]
  readonly sums?: Sums
}

/** What has changed since the page was told last; the first one has all. */
export interface Tick extends Changes {
  readonly at: number
  readonly local: string
  /** Of all servers that answer, where that is another list now. */
  readonly guests?: readonly Guest[]
  /** The page is served by none of the servers. */
  readonly isGuest?: true
  /** All is told anew: what else was known is forgotten. */
  readonly isWhole?: true
  /** Events that are a part of others now, by their ids. */
  readonly gone?: readonly number[]
  readonly points?: PointsOf<readonly [key: string, series: Chart]>
}

export type Value = string | number | null | object

/** A record as an array; see `compact.ts`. */
export type Packed = readonly Value[]

/** What changes of a record: its number, which columns follow by their bits, and those. */
export type Patch = readonly [place: number, columns: number, ...values: Packed]

export type ListName = 'servers' | 'cells' | 'handlers' | 'waits' | 'quiet' | 'events' | 'guests'

type Lists<Of> = { readonly [Name in ListName]?: readonly Of[] }

/** A tick as it travels. */
export interface Wire extends Omit<Tick, ListName | 'gone' | 'points'>, Lists<Patch> {
  /** Those that are no more. */
  readonly gone?: Lists<number>
  readonly points?: PointsOf<readonly [place: number, ...PackedSeries]> & {
    /** Of others nothing is told; otherwise they had no calls. */
    readonly isPart?: true
  }
}

/** The two ends of one direction of a stream, and what each does. */
export interface LaneEnds {
  readonly from: string
  readonly to: string
  readonly sender: string
  readonly receiver: string
  /** Whoever is waited for. */
  readonly blame?: 'sender' | 'receiver'
}

/** One direction of one stream. */
export interface Lane extends OfCall, LaneEnds {
  readonly key: string
  readonly direction: 'requests' | 'responses'
  readonly openedAt: number
  readonly totalBytes: number
  readonly totalMessages?: number
  readonly severity: Severity
  readonly verdict: string
  readonly since?: number
  readonly bar?: Bar
}

/** What one end says of a connection, in words: a row of the table of both ends. */
export type EndRow = readonly [name: string, a: string, b: string]

export interface ConnectionDetail {
  readonly at: number
  readonly a: string
  readonly b: string
  readonly title: { readonly severity: Severity; readonly text: string }
  readonly lanes: readonly Lane[]
  /** How many streams and requests are open, and how many lanes are not told. */
  readonly open: string
  readonly rows: readonly EndRow[]
  readonly events: readonly Happening[]
}

export interface HandlerDetail extends NamedHandler {
  readonly at: number
  readonly calls: number
  readonly failed: number
  readonly byServer: readonly { readonly host: string; readonly p99: Points; readonly state: ServerState }[]
  readonly codes: readonly { readonly code: string; readonly rate?: number; readonly total: number }[]
  readonly callers: readonly { readonly host: string; readonly open: number; readonly oldestAt: number }[]
  readonly callersNotShown: number
  readonly marks: readonly { readonly at: number; readonly text: string }[]
}

/** The handlers of one server, or of all (no `host`), as one side tells of them. */
export interface HandlersDetail {
  readonly at: number
  readonly host: string
  readonly side: 'handler' | 'caller'
  /** Each begins with its key. */
  readonly rows: readonly Packed[]
  /** How many have no row. */
  readonly notShown: number
  readonly points?: PointsOf<readonly [key: string, ...PackedSeries]>
}

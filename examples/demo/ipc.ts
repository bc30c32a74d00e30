/**
 * The messages between the demo and its server processes, over the IPC channel of `fork`.
 *
 * They do not use the grid on purpose: what they say about the grid was not carried by the grid.
 */

import type { Delivery } from '../../lib/index.ts'

export interface ServerAddress {
  readonly name: string
  readonly host: string
}

/** What a server must know to join the grid. The same for all of them. */
export interface GridPlan {
  readonly servers: readonly ServerAddress[]
  readonly secret: string
  /** The folder that serves as the disk of a server. */
  readonly disk: string
  readonly lockTtlMs: number
}

/** Something that happened in a server, reported when it happens. */
export interface JournalEntry {
  readonly what: 'job started' | 'job aborted' | 'generator ended' | 'restart noticed' | 'connection left'
  /** The job, generator or server that it happened to. */
  readonly about: string
  readonly detail: string
}

/** How a call ended at its caller. */
export interface Outcome {
  readonly value?: unknown
  readonly error?: { readonly name: string; readonly code: string; readonly delivery?: Delivery; readonly text: string }
  readonly elapsedMs: number
}

/** One TCP socket. */
export interface OpenSocket {
  /** The ports of its dialer and of its listener, which identify a socket for as long as it is open. */
  readonly ports: string
  /** What this process has read from it and written to it. */
  readonly bytes: number
}

/** The sockets that a process has open. */
export interface OpenSockets {
  readonly dialed: readonly OpenSocket[]
  readonly accepted: readonly OpenSocket[]
}

export interface ToServer {
  readonly id: number
  readonly task: string
  readonly args: readonly unknown[]
}

export type FromServer =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly text: string }
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  | { readonly type: 'log'; readonly line: string }

/** Sends a message to the demo. Without a channel the demo has ended, and the message is dropped. */
export function tell(message: FromServer): void {
  if (process.connected) process.send?.(message)
}

export function journal(what: JournalEntry['what'], about: string, detail = ''): void {
  tell({ type: 'journal', entry: { what, about, detail } })
}

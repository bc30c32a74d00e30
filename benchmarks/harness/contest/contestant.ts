/**
 * What takes part in a comparison: each contestant is a server and a client, in processes that run nothing else.
 *
 * How long, how often and how it is checked is not theirs to know: they carry what they are given.
 */

import { createRequire } from 'node:module'

/** What is measured; it goes to the process of the client as plain data. */
export interface Workload {
  readonly id: string
  readonly kind: string
}

export interface Entry {
  readonly id: string
  /** As tables and charts call it. */
  readonly label: string
  /** The file that exports it under its id. */
  readonly module: string
  /** Somebody else's: the run goes on, and is fine, without it. */
  readonly isRival: boolean
  /** By kind of workload: what it has no means for, and why. */
  readonly lacks?: Readonly<Record<string, string>>
}

export interface Contestant<Client> {
  /** Of the package that is measured, where it has one of its own. */
  readonly version?: string
  /** Resolves with where the client connects to. */
  listen(): Promise<string>
  connect(address: string): Promise<Client>
}

/** What the file of a contestant exports: one or several by their ids. */
export type Contestants<Client> = Readonly<Record<string, Contestant<Client>>>

/** What a run of a workload came to, as its client saw it. */
export interface Driven {
  /** Requests answered, messages arrived. */
  readonly operations: number
  readonly latenciesMs?: readonly number[]
}

/** Runs a workload at a connected client for about so long. Rejects with `WrongAnswer`, or where it cannot be run. */
export type Drive<Client, Work extends Workload> = (client: Client, workload: Work, ms: number) => Promise<Driven>

/** One round of a workload; the CPU time is that of both processes. */
export interface Round extends Driven {
  readonly elapsedMs: number
  readonly cpuUs: number
  /** The part of it that is the server's. */
  readonly serverCpuUs: number
}

export function perSecond({ operations, elapsedMs }: Round): number {
  return (operations / elapsedMs) * 1000
}

/** CPU time per operation, in microseconds. */
export function cpuUsOf({ operations, cpuUs, serverCpuUs }: Round): { client: number; server: number; both: number } {
  const [both, server] = [cpuUs / operations, serverCpuUs / operations]
  return { client: both - server, server, both }
}

export function versionOf(packageName: string): string {
  return (createRequire(import.meta.url)(`${packageName}/package.json`) as { version: string }).version
}

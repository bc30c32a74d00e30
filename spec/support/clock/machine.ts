/** Time that processes have in common, and that which one has computed. No fake timers move it. */

/** Never goes back, and all processes of this machine have the same. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Computes for so long. */
export function spend(ms: number): void {
  for (const endMs = machineMs() + ms; machineMs() < endMs; );
}

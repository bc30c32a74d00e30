/** Time that processes have in common, and that which one has computed. */

/** Never goes back, and all processes of this machine have the same. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

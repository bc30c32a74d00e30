/** A name for the client in a grid of two: the manager that dials must be its own, for it alone knows the address. */

/** Half of all names will do; both processes find the same. */
export function dialingName(server: string, dialerOf: (a: string, b: string) => string): string {
  for (let port = 1; ; port++) {
    const name = `http://client:${port}`
    if (dialerOf(name, server) === name) return name
  }
}

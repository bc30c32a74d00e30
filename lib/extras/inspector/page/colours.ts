/** Colours of the style for a canvas, which knows no `light-dark()`. To ask for one costs a look at all styles: once a theme. */

const known = new Map<string, string>()
const probe = document.createElement('i')
let theme = ''

export const dark: MediaQueryList = matchMedia('(prefers-color-scheme: dark)')

/** @param name such as `--text` */
export function colourOf(name: string): string {
  const now = document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')
  if (now !== theme) known.clear()
  theme = now
  let colour = known.get(name)
  if (colour === undefined) {
    document.body.append(probe)
    probe.style.color = `var(${name})`
    colour = getComputedStyle(probe).color
    probe.remove()
    known.set(name, colour)
  }
  return colour
}

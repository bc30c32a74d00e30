/**
 * The output of the demo, in 80 columns: numbered acts, what is about to happen, and each claim with a check mark or a cross.
 *
 * Shortly, an act shows the code it is about and its one claim; the others are only counted, unless they do not hold.
 * Collects the claims that did not hold. They decide the exit code.
 */

const colours = process.stdout.isTTY === true && process.env.NO_COLOR === undefined

function paint(code: number, text: string): string {
  return colours ? `\u001b[${code}m${text}\u001b[0m` : text
}

const bold = (text: string) => paint(1, text)
const faint = (text: string) => paint(2, text)
const red = (text: string) => paint(31, text)
const green = (text: string) => paint(32, text)

const columns = 80

/** What an act shows when the demo is short. */
export interface Headline {
  /** Lines of the demo's own sources, which a spec looks for. */
  readonly code: readonly string[]
  readonly claim: string
}

export class Report {
  readonly failed: string[] = []
  readonly #onProgress: () => void
  readonly #showsAll: boolean
  #acts = 0
  #title = ''
  #headline: Headline | undefined
  #held = 0
  #shown = 0

  /** Calls `onProgress` at each act and each claim. */
  constructor(onProgress: () => void, showsAll: boolean) {
    this.#onProgress = onProgress
    this.#showsAll = showsAll
  }

  title(title: string, intro: string): void {
    print(bold(title), ...wrap(intro, 0))
  }

  /** Runs one act. An error in it counts as a claim that did not hold, and the next act follows. */
  async act(title: string, intro: string, play: () => Promise<void>, headline?: Headline): Promise<void> {
    this.#onProgress()
    this.#title = title
    this.#headline = headline
    if (this.#showsAll || headline !== undefined) {
      this.#acts += 1
      print('', bold(`${this.#acts}. ${title}`), ...wrap(intro, 3))
      if (!this.#showsAll) print('', ...(headline?.code.map((line) => `     ${line}`) ?? []), '')
    }
    try {
      await play()
    } catch (error) {
      this.check('the act plays to its end', false, error instanceof Error ? error.message : String(error))
    }
  }

  say(...lines: string[]): void {
    if (this.#showsAll) print(...lines.flatMap((line) => wrap(line, 5)).map(faint))
  }

  /** Prints `claim`, whether it `holds`, and what was seen. `remark` is printed only with a claim that holds. */
  check(claim: string, holds: boolean, seen: string, remark = ''): void {
    this.#onProgress()
    const [first = '', ...others] = wrap(claim, 5)
    if (!holds) {
      this.failed.push(`${this.#title}: ${claim} (${seen})`)
      print(...[`   ${red('✗')} ${red(first.trimStart())}`, ...others.map(red)])
      print(...wrap(`This did not hold. What was seen: ${seen}`, 5))
      return
    }
    this.#held += 1
    if (!this.#showsAll && claim !== this.#headline?.claim) return
    this.#shown += 1
    print(`   ${green('✓')} ${first.trimStart()}`, ...others, ...wrap(seen + remark, 5).map(faint))
  }

  /** Prints the last lines. Returns true when all claims held. */
  end(elapsedMs: number): boolean {
    const seconds = (elapsedMs / 1000).toFixed(1)
    if (this.failed.length > 0) {
      print('', bold(red(`✗ Some claims did not hold (${this.#held} others did, in ${seconds} s):`)))
      print(...this.failed.flatMap((failure) => wrap(failure, 2)).map(red))
      return false
    }
    const more = this.#held - this.#shown
    const held =
      more === 0 ? `All ${this.#held} claims held` : `These ${this.#shown} claims held, and ${more} beside them`
    print('', bold(`${green('✓')} ${held}, in ${seconds} s.`))
    if (!this.#showsAll) print('  All of them: npm run demo -- --all')
    print('  Read next: docs/reference.md, the map of what you can call.')
    return true
  }
}

/** The words of a text in lines of at most 80 columns, behind `indent` spaces. A line that fits stays as it is. */
function wrap(text: string, indent: number): string[] {
  const space = ' '.repeat(indent)
  const lines = ['']
  if (indent + text.length <= columns) return [space + text]
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line === '') lines[lines.length - 1] = word
    else if (indent + line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => space + line)
}

function print(...lines: string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

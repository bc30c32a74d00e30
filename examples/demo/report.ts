/**
 * The output of the demo: numbered acts, what is about to happen, and each claim with a check mark or a cross.
 *
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

export class Report {
  readonly failed: string[] = []
  readonly #onProgress: () => void
  #acts = 0
  #held = 0

  /** Calls `onProgress` at each act and each claim. */
  constructor(onProgress: () => void) {
    this.#onProgress = onProgress
  }

  title(...lines: string[]): void {
    const [first = '', ...others] = lines
    print(bold(first), ...others)
  }

  /** Runs one act. An error in it counts as a claim that did not hold, and the next act follows. */
  async act(title: string, intro: string[], play: () => Promise<void>): Promise<void> {
    this.#onProgress()
    this.#acts += 1
    print('', bold(`${this.#acts}. ${title}`), ...intro.map((line) => `   ${line}`))
    try {
      await play()
    } catch (error) {
      this.check('the act plays to its end', false, error instanceof Error ? error.message : String(error))
    }
  }

  say(...lines: string[]): void {
    print(...lines.map((line) => faint(`     ${line}`)))
  }

  /** Prints `claim`, whether it `holds`, and what was seen. `remark` is printed only with a claim that holds. */
  check(claim: string, holds: boolean, seen: string, remark = ''): void {
    this.#onProgress()
    if (holds) {
      this.#held += 1
      print(`   ${green('✓')} ${claim}`, faint(`     ${seen}${remark}`))
    } else {
      this.failed.push(`act ${this.#acts}: ${claim} (${seen})`)
      print(`   ${red('✗')} ${red(claim)}`, `     This did not hold. What was seen: ${seen}`)
    }
  }

  /** Prints the last lines. Returns true when all claims held. */
  end(elapsedMs: number): boolean {
    const seconds = (elapsedMs / 1000).toFixed(1)
    if (this.failed.length === 0) {
      print('', bold(`${green('✓')} All ${this.#held} claims held, in ${seconds} s.`))
      return true
    }
    print('', bold(red(`✗ Some claims did not hold (${this.#held} others did, in ${seconds} s):`)))
    print(...this.failed.map((failure) => red(`  ${failure}`)))
    return false
  }
}

function print(...lines: string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

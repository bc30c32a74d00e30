/** Where in the user's code something was made: the frames of a stack that are neither ours nor of Node. */

import { fileURLToPath } from 'node:url'

/** A stack, which is read when it is asked for. */
export interface Place {
  /** `\n    at ...`, empty where no frame is the user's. */
  readonly text: string
  /** It was it-grid that did it, for whomever. */
  readonly isOurs: boolean
}

/** Of `lib/`, or of `dist/`; with `file://` in ES modules, without in others. */
const own = new URL('../..', import.meta.url)
const kit = new URL('.', import.meta.url)
/** Between the user and us there may be much of ours. */
const maxFrames = 50
const shownFrames = 3

export function placeNow(): Place {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = maxFrames
  const error = new Error()
  Error.stackTraceLimit = stackTraceLimit
  return {
    get text() {
      return framesOf(error)
        .filter((frame) => !isIn(frame, own))
        .slice(0, shownFrames)
        .map((frame) => `\n    ${frame.trim()}`)
        .join('')
    },
    get isOurs() {
      const [first] = framesOf(error).filter((frame) => !isIn(frame, kit))
      return first !== undefined && isIn(first, own)
    }
  }
}

function framesOf({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((frame) => /^\s+at .*:\d+:\d+\)?$/.test(frame) && !/\bnode:/.test(frame))
}

function isIn(frame: string, folder: URL): boolean {
  return frame.includes(folder.href) || frame.includes(fileURLToPath(folder))
}

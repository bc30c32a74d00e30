/** Things of known cost, which show that the rulers are right: a spec compares them with what they must be. */

import { keep, type Piece } from '../../harness/piece.ts'

function ignore(): void {}

/** Not an object literal: without its optimiser V8 keeps notes beside those. */
class Ten {
  a = 1
  b = 1
  c = 1
  d = 1
  e = 1
  f = 1
  g = 1
  h = 1
  i = 1
  j = 1
}

export const rulers: readonly Piece[] = [
  {
    name: 'ruler-object',
    operation: 'make an object of 104 B: a header of three words and ten properties',
    prepare: () => (count) => {
      for (let i = 0; i < count; i++) keep(new Ten())
    }
  },
  {
    name: 'ruler-promise',
    operation: 'make a promise',
    prepare: () => (count) => {
      for (let i = 0; i < count; i++) keep(new Promise(ignore))
    }
  },
  {
    name: 'ruler-buffer',
    operation: 'make a buffer of 512 B outside of the heap',
    prepare: () => (count) => {
      for (let i = 0; i < count; i++) keep(new ArrayBuffer(512))
    }
  }
]

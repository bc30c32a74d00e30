/** Texts that are printed or sent: cut at a character, and on one line. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeText, errorText, printable } from '../../lib/base/text.ts'

describe('printable', () => {
  it('makes a space of each control character, and leaves everything else', () => {
    assert.equal(printable('a\r\nb\u0000c\u009f \u001b[31m ü  d'), 'a  b c   [31m ü  d')
  })

  it('gives no more characters than asked for', () => {
    assert.equal(printable('abc\n', 3), 'abc')
    assert.equal(printable('a\n\nbc', 3), 'a  ')
    assert.equal(printable('abc', 3), 'abc')
  })
})

describe('encodeText', () => {
  it('gives the text in UTF-8, whole where it fits', () => {
    for (const text of ['', 'abc', 'aü€😀']) {
      const bytes = Buffer.from(text)
      assert.deepEqual(encodeText(text, bytes.length), bytes)
    }
  })

  it('cuts before a character that does not fit, however long it is', () => {
    const text = 'aü€😀b'
    const starts = [0, 1, 3, 6, 10, 11]
    for (let max = 0; max <= 11; max++) {
      const end = starts.findLast((start) => start <= max)
      assert.deepEqual(encodeText(text, max), Buffer.from(text).subarray(0, end), `${max} bytes`)
    }
  })
})

describe('errorText', () => {
  it('is the message of an error, else the thing itself, cut with an ellipsis', () => {
    assert.equal(errorText(new Error('broken')), 'broken')
    assert.equal(errorText(undefined), 'undefined')
    assert.equal(errorText('abcdef', 3), 'abc…')
    assert.equal(errorText('abc', 3), 'abc')
  })

  it('does not throw, whatever the thrown thing does', () => {
    const hostile = {
      get message(): string {
        throw new Error('getter')
      }
    }
    assert.equal(errorText(hostile), 'an error without a readable message')
    assert.equal(errorText(Object.create(null)), 'an error without a readable message')
  })
})

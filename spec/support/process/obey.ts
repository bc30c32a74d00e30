/** What server processes share that a driver tells by words what to do: they close when told to, and end with the driver. */

import type { Server } from 'node:http'
import type { Manager } from '../../../lib/index.ts'

export interface Obedience {
  readonly manager: Manager
  readonly server: Server
  /** What is done at each word; `close` is known. */
  readonly words: Readonly<Record<string, () => void | Promise<void>>>
  /** Before all is closed. */
  readonly onClose: () => void
  /** Something told did not work. */
  readonly onFailed: (text: string) => void
}

export function obey({ manager, server, words, onClose, onFailed }: Obedience): void {
  let isClosing = false
  const close = async (): Promise<void> => {
    isClosing = true
    onClose()
    await manager.close({ timeout: 1000 })
    server.close()
    process.disconnect()
  }
  process.on('disconnect', () => {
    // The driver is gone.
    if (!isClosing) process.exit(1)
  })
  process.on('message', async (word: string) => {
    try {
      await (word === 'close' ? close() : words[word]?.())
    } catch (error) {
      onFailed(`"${word}" failed: ${error instanceof Error ? error.stack : String(error)}`)
    }
  })
}

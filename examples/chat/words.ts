/** What the servers and their clients say to each other. */

export interface Said {
  readonly from: string
  readonly text: string
}

export interface ToServer {
  /** Answers with the names of all who are in the room, on any server. */
  join: (name: string, room: string, answer: (names: readonly string[]) => void) => void
  say: (text: string) => void
}

export interface ToClient {
  said: (said: Said) => void
}

export interface Person {
  name: string
  room: string
}

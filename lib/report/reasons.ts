/** Why things end and are refused, as words for programs. */

/** Why a conn ended, as a word for programs. `docs/protocol.md`, section "Close codes". */
export type DisconnectReason =
  | 'notConnected'
  | 'lost'
  | 'shutdown'
  | 'protocol'
  | 'checksum'
  | 'flood'
  | 'slow'
  | 'keepAlive'
  | 'replaced'
  | 'expired'
  | 'hostRemoved'
  | 'internal'

/** Why a call or a handshake was refused, as a word for programs. */
export type RejectReason =
  | 'unknownHandler'
  | 'tooManyStreams'
  | 'goingAway'
  | 'authFailed'
  | 'unknownHost'
  | 'wrongHost'
  | 'wrongDirection'
  | 'ownName'
  | 'unsupportedVersion'
  | 'badLimits'
  | 'busy'
  | 'denied'
  | 'rateLimited'
  | 'noGuests'
  | 'guestRefused'
  | 'tooManyGuests'

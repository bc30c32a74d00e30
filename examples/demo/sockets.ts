/**
 * Counts the TCP sockets that this process really has open. It asks Node, not the library.
 *
 * Accepted sockets are reported by the HTTP server, dialed ones by Node's own diagnostics channel.
 */

import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { Socket } from 'node:net'
import type { OpenSocket, OpenSockets } from './ipc.ts'

export function watchSockets(server: Server): () => OpenSockets {
  const accepted = new Set<Socket>()
  const dialed = new Set<Socket>()
  const track = (sockets: Set<Socket>, socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', (socket) => track(accepted, socket))
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: unknown }
    if (socket instanceof Socket) track(dialed, socket)
  })
  return () => ({
    dialed: [...dialed].filter(isOpen).map((socket) => describe(socket, socket.localPort, socket.remotePort)),
    accepted: [...accepted].filter(isOpen).map((socket) => describe(socket, socket.remotePort, socket.localPort))
  })
}

function isOpen(socket: Socket): boolean {
  return !socket.destroyed && socket.remotePort !== undefined
}

function describe(socket: Socket, dialerPort = 0, listenerPort = 0): OpenSocket {
  return { ports: `${dialerPort} and ${listenerPort}`, bytes: socket.bytesRead + socket.bytesWritten }
}

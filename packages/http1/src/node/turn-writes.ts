import type { Socket } from 'node:net';

/**
 * Writes at the end of this turn of the event loop, together with what is written to other sockets by then. To wake a peer that
 * sleeps costs more than the write does; whom the first one has woken is awake for the others. `done` is called as that of
 * `Socket.write` is. What is written to the same socket meanwhile, in whatever way, follows.
 */
export function writeThisTurn(
  socket: Socket,
  octets: string | Uint8Array,
  done?: (error?: Error | null) => void,
): void {
  if (held.length === 0) setImmediate(release);
  held.push(socket);
  socket.cork();
  if (typeof octets === 'string') socket.write(octets, 'latin1', done);
  else socket.write(octets, done);
}

/** Once for each time it was corked. */
let held: Socket[] = [];

function release(): void {
  const sockets = held;
  held = [];
  for (const socket of sockets) socket.uncork();
}

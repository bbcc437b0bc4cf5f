import type { Socket } from 'node:net';
import { descriptorOf } from '@carmine/http1/node';

/** Octets: what waits for room in a socket, and what slow readers are given at a time. */
export const waitingWrite = 64 * 1024;
/** What prompt readers are given: twice as much is no faster over http, and slower over https, where it goes through memory four times. */
export const largestWrite = 512 * 1024;

/** What the next write to a reader may have; `waitingWrite` for one who has not been given anything yet. */
export function paceOf(socket: Socket): number {
  return paces.get(socket) ?? waitingWrite;
}

export function isKnown(socket: Socket): boolean {
  return paces.has(socket);
}

/** A reader who took a write within some milliseconds gets a larger one next, so that slow ones keep little memory busy. */
export function nextPace(socket: Socket, milliseconds: number): number {
  const pace = milliseconds < promptWrite ? Math.min(paceOf(socket) * 4, largestWrite) : waitingWrite;
  paces.set(socket, pace);
  return pace;
}

/** He takes what he is given, on a plain socket, which can be written to at once. */
export function isPromptReader(socket: Socket): boolean {
  return paceOf(socket) === largestWrite && descriptorOf(socket) !== undefined;
}

const paces = new WeakMap<Socket, number>();
const promptWrite = 50;

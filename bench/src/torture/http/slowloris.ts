import { connect, type Socket } from 'node:net';
import { isAlive } from './corpus-run.ts';
import type { Door, Doors } from './doors.ts';

export interface SlowlorisReport {
  readonly connections: number;
  /** Still open after the time for a head, and what the sweep may be late. */
  readonly left: number;
  readonly seconds: number;
  /** Plain requests meanwhile, and the slowest, milliseconds. */
  readonly asked: number;
  readonly slowest: number;
  /** Octets of memory that the agent grew by, at most. */
  readonly memory: number;
}

const each = 150;
/** Milliseconds: the data ports' time for a head is 20 s, the management port's 15 s. */
const allowed = 23_000;
/** Of a well-behaved client meanwhile, milliseconds. */
const slowestAllowed = 1_000;

/**
 * Many connections to each door that send a head an octet at a time and never end it. They must be cut when the time for a
 * head is over, however alive they look, and others must be answered meanwhile.
 */
export async function runSlowloris(doors: Doors, failures: string[]): Promise<SlowlorisReport> {
  const before = await doors.rss();
  const started = performance.now();
  const slow = doors.all.flatMap((door) => Array.from({ length: each }, (_, index) => openSlow(door, index)));
  let [asked, slowest, most] = [0, 0, 0];
  let open = slow.length;
  for (const { closed } of slow) void closed.then(() => open--);
  while (open > 0 && performance.now() - started < allowed) {
    for (const door of doors.all) {
      const began = performance.now();
      if (!(await isAlive(door))) failures.push(`slowloris: ${door.name} does not answer others`);
      slowest = Math.max(slowest, performance.now() - began);
      asked++;
    }
    most = Math.max(most, (await doors.rss()) - before);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const left = open;
  for (const { stop } of slow) stop();
  if (left > 0) failures.push(`slowloris: ${left} connections are still open after ${allowed} ms`);
  if (slowest > slowestAllowed) failures.push(`slowloris: another client waited ${slowest.toFixed(0)} ms`);
  return {
    connections: slow.length,
    left,
    seconds: Math.round((performance.now() - started) / 1000),
    asked,
    slowest: Math.round(slowest),
    memory: Math.max(0, most),
  };
}

function openSlow(door: Door, index: number): { readonly closed: Promise<void>; stop(): void } {
  const socket: Socket = connect(door.port, '127.0.0.1');
  const head = `GET ${door.path} HTTP/1.1\r\nHost: x\r\nX-${index}: `;
  let at = 0;
  socket.on('connect', () => socket.write(head.slice(0, index % head.length)));
  const timer = setInterval(() => {
    if (socket.writable) socket.write(at < head.length ? (head[at++] ?? 'a') : 'a');
  }, 500);
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      clearInterval(timer);
      resolve();
    });
  });
  return { closed, stop: () => socket.destroy() };
}

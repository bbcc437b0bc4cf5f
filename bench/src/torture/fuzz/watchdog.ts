import { Worker } from 'node:worker_threads';

/**
 * Ends the process when an input does not come back: a parser in an endless loop blocks everything else in it. The input is
 * saved first.
 */
export interface Watchdog {
  before(index: number, input: Uint8Array): void;
  close(): Promise<void>;
}

/** Octets of an input that are kept; all of it unless a target grows. */
const room = 1 << 20;
const seconds = 20;

export function startWatchdog(saveAs: (index: string) => string): Watchdog {
  const shared = new SharedArrayBuffer(8 + room);
  const head = new Int32Array(shared, 0, 2);
  const content = new Uint8Array(shared, 8);
  head[0] = -1;
  const worker = new Worker(watch, { eval: true, workerData: { shared, seconds, file: saveAs('INDEX') } });
  worker.unref();
  return {
    before(index, input) {
      content.set(input.subarray(0, room));
      head[1] = Math.min(input.length, room);
      Atomics.store(head, 0, index);
    },
    async close() {
      await worker.terminate();
    },
  };
}

/** Runs in the worker, as plain JavaScript. */
const watch = `
const { workerData: { shared, seconds, file } } = require('node:worker_threads');
const { writeFileSync, writeSync } = require('node:fs');
const head = new Int32Array(shared, 0, 2);
let [last, since] = [-1, Date.now()];
setInterval(() => {
  const index = Atomics.load(head, 0);
  if (index !== last || index === -1) [last, since] = [index, Date.now()];
  else if (Date.now() - since > seconds * 1000) {
    const name = file.replace('INDEX', String(index));
    writeFileSync(name, Buffer.from(new Uint8Array(shared, 8, head[1])));
    writeSync(2, 'input ' + index + ' did not come back in ' + seconds + ' s; it is in ' + name + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }
}, 1000);
`;

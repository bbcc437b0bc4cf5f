import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@carmine/testkit';
import { exitOf } from '@carmine/testkit/node';
import { decodeJournal, type Extent } from '@carmine/transfer';
import { bundleFetch, follow } from './engine-kill/main.ts';

/** What `npm run torture -- large` found. */
export interface LargeReport {
  readonly schema: 'carmine.torture-large/1';
  readonly seed: number;
  readonly bytes: number;
  readonly transfers: readonly LargeTransfer[];
  readonly failures: readonly string[];
}

interface LargeTransfer {
  readonly seconds: number;
  /** GETs, and how many of them began behind 4 GiB. */
  readonly requests: number;
  readonly behind4GiB: number;
  /** Bytes that were reported when it was killed, each time. */
  readonly killedAt: readonly number[];
  readonly askedTwice: number;
  readonly wrongBytes: number;
}

/**
 * A file of more than 4 GiB through `download()` over several connections, once to its end and once killed before and behind 4 GiB. The
 * origin has no file: each page of what it sends says where it belongs.
 */
export async function tortureLarge(gibibytes: number, seed: number, say: (text: string) => void): Promise<LargeReport> {
  const folder = await mkdtemp(join(tmpdir(), 'carmine-large-'));
  // Not a whole number of pages.
  const bytes = gibibytes * GiB + 12_345;
  const failures: string[] = [];
  const origin = await LargeOrigin.start(new LargeContent(bytes, seed));
  try {
    const program = await bundleFetch(folder);
    const transfers: LargeTransfer[] = [];
    for (const kills of [[], [0.35 * bytes, bytes - 0.6 * GiB]]) {
      const transfer = await fetchLarge(program, join(folder, 'inbox'), origin, kills, failures);
      transfers.push(transfer);
      const rate = bytes / transfer.seconds / 1e6;
      const killed = transfer.killedAt.map((at) => `${(at / GiB).toFixed(2)} GiB`).join(' and ') || 'never';
      say(
        `${bytes} bytes in ${transfer.seconds.toFixed(1)} s (${rate.toFixed(0)} MB/s), killed at: ${killed}; ${transfer.requests} requests, ${transfer.behind4GiB} from behind 4 GiB; ${transfer.askedTwice} journalled bytes asked for again, ${transfer.wrongBytes} wrong bytes`,
      );
    }
    return { schema: 'carmine.torture-large/1', seed, bytes, transfers, failures };
  } finally {
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** `kills`: bytes that must have been reported before each. */
async function fetchLarge(
  program: string,
  folder: string,
  origin: LargeOrigin,
  kills: readonly number[],
  failures: string[],
): Promise<LargeTransfer> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const { content } = origin;
  const target = join(folder, 'file');
  const options = JSON.stringify({ temporaryName: temporary, roots: [folder], connections: 4 });
  const began = performance.now();
  const killedAt: number[] = [];
  let [requests, behind4GiB, askedTwice] = [0, 0, 0];
  for (const limit of [...kills, Number.POSITIVE_INFINITY]) {
    const journalled = await journalOf(folder);
    origin.asked.length = 0;
    const child = spawn(process.execPath, [program, origin.url, target, options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const reported = follow(child);
    const over = exitOf(child);
    let ended = false;
    void over.then(() => {
      ended = true;
    });
    while (!ended && reported.last() < limit) await sleep(5);
    child.kill('SIGKILL');
    const code = await over;
    requests += origin.asked.length;
    behind4GiB += origin.asked.filter(({ start }) => start > 4 * GiB).length;
    askedTwice += origin.asked.reduce((sum, extent) => sum + inBoth(extent, journalled), 0);
    if (code === null) killedAt.push(reported.last());
    else if (code !== 0) failures.push(`exit code ${code}: ${reported.errors().slice(0, 500)}`);
    if (code !== null && limit !== Number.POSITIVE_INFINITY)
      failures.push(`it ended before ${limit} bytes were reported`);
    const total = (await journalOf(folder)).reduce((sum, { start, end }) => sum + end - start, 0);
    if (code === null && total < reported.last()) failures.push(`${reported.last()} reported, ${total} journalled`);
  }
  const seconds = (performance.now() - began) / 1_000;
  const names = await readdir(folder);
  if (names.join() !== 'file') failures.push(`left ${names.join(', ')}`);
  const wrongBytes = await content.differing(target);
  if (wrongBytes > 0) failures.push(`${wrongBytes} wrong bytes`);
  if (askedTwice > 0) failures.push(`${askedTwice} journalled bytes were asked for again`);
  if (behind4GiB === 0) failures.push('nothing was asked for behind 4 GiB');
  await rm(folder, { recursive: true, force: true });
  return { seconds, requests, behind4GiB, killedAt, askedTwice, wrongBytes };
}

async function journalOf(folder: string): Promise<readonly Extent[]> {
  const bytes = await readFile(join(folder, `${temporary}.journal`)).catch(() => undefined);
  return bytes === undefined ? [] : (decodeJournal(bytes).state?.done.extents ?? []);
}

function inBoth(asked: Extent, extents: readonly Extent[]): number {
  return extents.reduce(
    (sum, { start, end }) => sum + Math.max(0, Math.min(end, asked.end) - Math.max(start, asked.start)),
    0,
  );
}

/** The same random mebibyte again and again, with the number of each page at its beginning. */
class LargeContent {
  readonly bytes: number;
  readonly #pattern: Uint8Array;

  constructor(bytes: number, seed: number) {
    this.bytes = bytes;
    this.#pattern = new SeededRandom(seed).bytes(MiB);
  }

  /** A mebibyte, or what there is of it. */
  block(index: number): Buffer {
    const block = Buffer.from(this.#pattern);
    for (let page = 0; page < MiB / pageBytes; page++) {
      block.writeDoubleLE(index * (MiB / pageBytes) + page, page * pageBytes);
    }
    return block.subarray(0, this.bytes - index * MiB);
  }

  /** Bytes of the file that are not right, missing and additional ones included. */
  async differing(path: string): Promise<number> {
    const file = await open(path);
    try {
      const read = Buffer.alloc(MiB);
      let wrong = Math.abs((await file.stat()).size - this.bytes);
      for (let index = 0; index * MiB < this.bytes; index++) {
        const wanted = this.block(index);
        const { bytesRead } = await file.read(read, 0, MiB, index * MiB);
        const got = read.subarray(0, bytesRead);
        if (!got.equals(wanted)) wrong += wanted.reduce((sum, byte, at) => sum + (byte === got[at] ? 0 : 1), 0);
      }
      return wrong;
    } finally {
      await file.close();
    }
  }
}

/** A good origin of one file, as fast as it can. */
class LargeOrigin {
  readonly content: LargeContent;
  /** What was asked for, as far as it was sent. */
  readonly asked: { start: number; end: number }[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  private constructor(content: LargeContent) {
    this.content = content;
  }

  static async start(content: LargeContent): Promise<LargeOrigin> {
    const origin = new LargeOrigin(content);
    await new Promise<void>((resolve) => origin.#server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/file`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { bytes } = this.content;
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [start, end] = match === null ? [0, bytes] : [Number(match[1]), Number(match[2]) + 1];
    response.on('error', () => undefined);
    response.writeHead(match === null ? 200 : 206, {
      etag: '"large"',
      'accept-ranges': 'bytes',
      'content-length': end - start,
      ...(match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes}` }),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const sent = { start, end: start };
    this.asked.push(sent);
    while (sent.end < end && !response.destroyed) {
      const index = Math.floor(sent.end / MiB);
      const piece = this.content.block(index).subarray(sent.end - index * MiB, end - index * MiB);
      sent.end += piece.length;
      if (!response.write(piece)) {
        await new Promise<void>((resolve) => {
          const go = () => {
            response.off('drain', go).off('close', go);
            resolve();
          };
          response.once('drain', go).once('close', go);
        });
      }
    }
    response.end();
  }
}

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const pageBytes = 4_096;
const temporary = 'BIT0123456789ABCDEF.tmp';

import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { prepareFields } from '@carmine/http1';
import { createHttp1Server, type Exchange } from '@carmine/http1/node';
import { afterEach, describe, expect, it } from 'vitest';
import type { NativeFile } from '../src/node/native-file.ts';
import { PeerReads } from '../src/node/peer-reads.ts';
import { type PromptAnswer, PromptAnswers } from '../src/node/prompt-answers.ts';
import { isPromptReader, largestWrite, nextPace } from '../src/node/reader-pace.ts';
import type { RecentSource } from '../src/node/shared-sources.ts';

const length = 1024 * 1024;
const content = Buffer.alloc(length, 'abcdefghijklm');
const close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close.splice(0)) await each();
});

interface Facts {
  readonly requests?: number;
  readonly resident?: number;
  readonly current?: boolean;
  /** So much sendfile has room for; undefined: nobody tells what the peer has. */
  readonly pages?: number;
}

/** Asks so many times, reading only after all that could be given was; the log, and what came. */
async function play(ask: Partial<PromptAnswer>, facts: Facts = {}) {
  const { requests = 1, resident = length, current = true, pages } = facts;
  const log: string[] = [];
  const native = {
    missing: () => (pages === undefined ? undefined : 0),
    isInMemory: () => log.push('looked for pages') > 0 && resident === length,
    // As sendfile does, which knows nothing of heads.
    send: (fd: number, _file: number, position: number, most: number) => {
      const octets = Math.min(most, pages ?? 0);
      log.push(`sendfile ${most}`);
      return octets === 0 ? 0 : writeSync(fd, content, position, octets);
    },
    readResident: (_file: number, into: Buffer) => {
      log.push('read');
      return content.copy(into, 0, 0, resident);
    },
  } as unknown as NativeFile;
  const answers = new PromptAnswers(native, new PeerReads(native));
  const source: RecentSource = {
    file: { fd: 1 } as RecentSource['file'],
    version: { size: length, device: 1n, inode: 1n, modified: 1n, changed: 1n },
    release: () => log.push('released'),
    isCurrent: () => log.push('looked') > 0 && current,
  };
  let left = requests;
  let allAsked: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    allAsked = resolve;
  });
  const handle = (exchange: Exchange) => {
    makePrompt(exchange.socket);
    log.push(answers.takes(length, source, exchange.socket) ? 'takes' : 'leaves');
    answers.give({
      exchange,
      source,
      range: { first: 0, last: length - 1 },
      prepared: prepareFields([['A', 'b']]),
      fields: [['Content-Length', String(length)]],
      stillAllowed: () => true,
      given: () => log.push('given'),
      refused: () => {
        log.push('refused');
        exchange.respond(404, []);
      },
      failed: (error) => {
        log.push(`failed: ${(error as Error).message}`);
        exchange.destroy();
      },
      rest: (sent, pagesQueued) => {
        log.push(sent < length ? 'rest' : 'nothing', ...(pagesQueued ? ['of pages'] : []));
        void exchange.write(content.subarray(sent)).then(() => {
          source.release();
          exchange.end();
        });
        allAsked();
      },
      ...ask,
    });
    if (--left === 0) allAsked();
  };
  const server = createHttp1Server({ handle });
  const { port } = await server.listen('127.0.0.1', 0);
  close.push(() => server.close(0));
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      const request = 'GET / HTTP/1.1\r\nHost: x\r\n';
      for (let index = 1; index < requests; index++) socket.write(`${request}\r\n`);
      socket.write(`${request}Connection: close\r\n\r\n`);
      void asked.then(() => socket.on('data', (chunk: Buffer) => chunks.push(chunk)));
    });
    socket.on('close', () => resolve());
    // Who is cut off has nothing to read.
    void asked.then(() => socket.resume());
  });
  const text = Buffer.concat(chunks).toString('latin1');
  return { log, text };
}

/** As somebody becomes who took all that he was given. */
function makePrompt(socket: Socket): void {
  while (nextPace(socket, 0) < largestWrite);
}

describe('prompt answers', () => {
  it('are read, looked at and only then given, whole', async () => {
    const { log, text } = await play({});
    const [head = '', ...rest] = text.split('\r\n\r\n');
    expect(head).toMatch(
      new RegExp(`^HTTP/1\\.1 206 Partial Content\r\nA: b\r\nContent-Length: ${length}\r\nConnection: close\r\nDate: `),
    );
    expect(rest.join('\r\n\r\n') === content.toString('latin1')).toBe(true);
    expect(log.slice(0, 4)).toEqual(['takes', 'read', 'looked', 'given']);
    expect(log.filter((line) => line === 'released')).toHaveLength(1);
  });

  it('go on in the ordinary way when there is no more room', async () => {
    const { log, text } = await play({}, { requests: 24 });
    expect(log).toContain('rest');
    expect(log.filter((line) => line === 'released')).toHaveLength(24);
    const bodies = text.split(/HTTP\/1\.1 206 [\s\S]*?\r\n\r\n/).slice(1);
    expect(bodies.map((body) => body === content.toString('latin1'))).toEqual(Array.from({ length: 24 }, () => true));
  });

  it.each([
    ['the file is another one', {}, { current: false }, ['takes', 'read', 'looked', 'refused', 'released']],
    [
      'it may not be given any more',
      { stillAllowed: () => false },
      {},
      ['takes', 'read', 'looked', 'refused', 'released'],
    ],
    ['not all of it is in memory', {}, { resident: length - 1 }, ['takes', 'read', 'refused', 'released']],
  ])('are not given when %s', async (_what, ask, facts, expected) => {
    const { log, text } = await play(ask, facts);
    expect(log).toEqual(expected);
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('are not tried again for a file that was not in memory', async () => {
    const { log } = await play({}, { requests: 2, resident: 0 });
    expect(log.filter((line) => line === 'takes' || line === 'leaves')).toEqual(['takes', 'leaves']);
  });

  it('that fail release their source', async () => {
    const stillAllowed = () => {
      throw new Error('a bug');
    };
    const { log } = await play({ stillAllowed });
    expect(log).toEqual(['takes', 'read', 'looked', 'failed: a bug', 'released']);
  });
});

const direct = process.platform === 'linux' && process.getBuiltinModule('node:ffi') !== undefined;
describe.runIf(direct)('prompt answers to a peer of this system, who can be followed', () => {
  it('go by sendfile without the last bytes, which are left to who waits', async () => {
    const { log, text } = await play({}, { pages: length });
    const left = 64 * 1024;
    expect(log).toEqual([
      'takes',
      'looked for pages',
      'looked',
      `sendfile ${length - left}`,
      'given',
      'rest',
      'of pages',
      'released',
    ]);
    expect(text.slice(text.indexOf('\r\n\r\n') + 4) === content.toString('latin1')).toBe(true);
  });

  it.each([0, 1, 70_000])('go on in the ordinary way when there was room for %s bytes', async (pages) => {
    const { log, text } = await play({}, { pages });
    expect(log.filter((line) => line === 'of pages')).toHaveLength(pages === 0 ? 0 : 1);
    expect(text.slice(text.indexOf('\r\n\r\n') + 4) === content.toString('latin1')).toBe(true);
    expect(log.at(-1)).toBe('released');
  });

  it.each([
    ['the file is another one', {}, { current: false }, ['takes', 'looked for pages', 'looked', 'refused', 'released']],
    [
      'it may not be given any more',
      { stillAllowed: () => false },
      {},
      ['takes', 'looked for pages', 'looked', 'refused', 'released'],
    ],
    ['not all of it is in memory', {}, { resident: length - 1 }, ['takes', 'looked for pages', 'refused', 'released']],
  ])('are not given when %s', async (_what, ask, facts, expected) => {
    const { log, text } = await play(ask, { ...facts, pages: length });
    expect(log).toEqual(expected);
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
  });
});

describe('the pace of a reader', () => {
  it('grows while he takes what he is given, and begins anew when he does not', () => {
    const socket = {} as Socket;
    expect([0, 49, 0, 0].map((milliseconds) => nextPace(socket, milliseconds))).toEqual([
      256 * 1024,
      largestWrite,
      largestWrite,
      largestWrite,
    ]);
    expect(nextPace(socket, 50)).toBe(64 * 1024);
    expect(nextPace(socket, 0)).toBe(256 * 1024);
  });

  it('makes nobody prompt who is behind TLS or gone', () => {
    for (const socket of [
      { encrypted: true, _handle: { fd: 3 } },
      { destroyed: true, _handle: { fd: 3 } },
    ]) {
      makePrompt(socket as unknown as Socket);
      expect(isPromptReader(socket as unknown as Socket)).toBe(false);
    }
  });
});

import { connect } from 'node:net';
import { prepareFields } from '@carmine/http1';
import { createHttp1Server, type Exchange } from '@carmine/http1/node';
import { afterEach, describe, expect, it } from 'vitest';
import type { NativeFile } from '../src/node/native-file.ts';
import type { RecentSource } from '../src/node/shared-sources.ts';
import { type SmallAnswer, SmallAnswers } from '../src/node/small-answers.ts';

const content = Buffer.from('0123456789');
const close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close.splice(0)) await each();
});

/** What happened to so many requests that came in one piece, and the bodies; `ask` gives the rest of each answer. */
async function play(
  count: number,
  ask: (target: string, log: string[]) => Partial<SmallAnswer> & { source: RecentSource },
) {
  const log: string[] = [];
  const native = {
    readResident(_file: number, into: Buffer, length: number, position: number) {
      log.push(`read ${position}`);
      return position === 7 ? 0 : content.copy(into, 0, position, position + length);
    },
  } as unknown as NativeFile;
  const answers = new SmallAnswers(native);
  const handle = (exchange: Exchange) => {
    const [, first = ''] = /(\d)$/.exec(exchange.head.target) ?? [];
    const say = (what: string) => () => {
      log.push(`${what} ${first}`);
      if (what !== 'given') exchange.respond(404, []);
    };
    answers.add({
      exchange,
      range: { first: Number(first), last: Number(first) + 1 },
      prepared: prepareFields([['A', 'b']]),
      fields: [['Content-Length', '2']],
      stillAllowed: () => true,
      given: say('given'),
      refused: say('refused'),
      failed: say('failed'),
      ...ask(exchange.head.target, log),
    });
  };
  const server = createHttp1Server({ handle });
  const { port } = await server.listen('127.0.0.1', 0);
  close.push(() => server.close(0));
  const texts = await Promise.all(
    Array.from(
      { length: count },
      (_, index) =>
        new Promise<string>((resolve) => {
          const socket = connect(port, '127.0.0.1', () =>
            socket.write(`GET /${index} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
          );
          let text = '';
          socket.on('data', (data) => {
            text += data;
          });
          socket.on('close', () => resolve(text));
        }),
    ),
  );
  return { log, texts };
}

function source(log: string[], current: boolean): RecentSource {
  return {
    file: { fd: 1 } as RecentSource['file'],
    version: { size: 10, device: 1n, inode: 1n, modified: 1n, changed: 1n },
    release: () => log.push('released'),
    isCurrent: () => {
      log.push('looked');
      return current;
    },
  };
}

describe('small answers', () => {
  it('are read, looked at and only then given', async () => {
    const { log, texts } = await play(1, (_, log) => ({ source: source(log, true) }));
    expect(log).toEqual(['read 0', 'looked', 'released', 'given 0']);
    expect(texts[0]).toMatch(
      /^HTTP\/1\.1 206 Partial Content\r\nA: b\r\nContent-Length: 2\r\nConnection: close\r\nDate: .*\r\n\r\n01$/,
    );
  });

  it('of one turn share a look at their file, after the last read', async () => {
    let shared: RecentSource | undefined;
    const sharedBy = (log: string[]) => {
      shared ??= source(log, true);
      return shared;
    };
    const { log, texts } = await play(6, (_, log) => ({ source: sharedBy(log) }));
    expect(texts.map((text) => text.slice(-2))).toEqual(['01', '12', '23', '34', '45', '56']);
    // However many turns it took: each look is behind all reads that it speaks for.
    const given = log.filter((line) => line.startsWith('given'));
    expect(given).toHaveLength(6);
    expect(log.filter((line) => line === 'looked').length).toBeLessThanOrEqual(6);
    for (const line of given)
      expect(log.slice(log.indexOf(line.replace('given', 'read')), log.indexOf(line))).toContain('looked');
  });

  it.each([
    ['the file is another one', '/0', (log: string[]) => ({ source: source(log, false) })],
    [
      'it may not be given any more',
      '/0',
      (log: string[]) => ({ source: source(log, true), stillAllowed: () => false }),
    ],
    ['the file is not in memory', '/7', (log: string[]) => ({ source: source(log, true) })],
  ])('are not given when %s', async (_what, target, ask) => {
    const { log, texts } = await play(8, (asked, log) => (asked === target ? ask(log) : { source: source(log, true) }));
    const at = Number(target.slice(1));
    expect(texts[at]).toMatch(/^HTTP\/1\.1 404 /);
    expect(log.filter((line) => line.startsWith('refused'))).toEqual(
      at === 7 ? ['refused 7'] : ['refused 0', 'refused 7'],
    );
    expect(log.filter((line) => line === 'released')).toHaveLength(8);
  });

  it('do not suffer for each other', async () => {
    const { log, texts } = await play(3, (target, log) => ({
      source: source(log, true),
      ...(target === '/1' && {
        stillAllowed: () => {
          throw new Error('a bug');
        },
      }),
    }));
    expect(log).toContain('failed 1');
    expect(texts.map((text) => text.slice(9, 12))).toEqual(['206', '404', '206']);
  });
});

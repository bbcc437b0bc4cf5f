import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { createFileTransfer, type Receiver, type ReceiverFactory } from '@carmine/transfer';
import { createHttpReceiverFactory, type HttpReceiverOptions, nodePlatform } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';

const content = new SeededRandom(31).bytes(40 * 1024 * 1024 + 12_345);
const sha256 = createHash('sha256').update(content).digest('hex');

let folder: string;
let origin: HttpOrigin | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-digest-memory-'));
});
afterEach(async () => {
  await origin?.close();
  origin = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** What is given back is overwritten at once, as by the next octets that are received into it; and nothing is given back twice. */
function poisoned(factory: ReceiverFactory, count: { given: number; back: number }): ReceiverFactory {
  return (url): Receiver => {
    const receiver = factory(url);
    return {
      close: () => receiver.close(),
      request: (request, handler) =>
        receiver.request(request, {
          onHead: (head) => handler.onHead(head),
          onEnd: () => handler.onEnd(),
          onError: (error) => handler.onError(error),
          onData(chunk, release) {
            count.given++;
            let lent = true;
            handler.onData(chunk, () => {
              expect(lent).toBe(true);
              lent = false;
              count.back++;
              chunk.fill(0xee);
              release?.();
            });
          },
        }),
    };
  };
}

async function fetchPoisoned(url: string, options: { connections?: number } & HttpReceiverOptions) {
  const count = { given: 0, back: 0 };
  const transfer = createFileTransfer(nodePlatform(), {
    url,
    path: join(folder, 'file'),
    temporaryName: 'BIT0123456789ABCDEF.tmp',
    receivers: poisoned(createHttpReceiverFactory(options), count),
    expectedSha256: sha256,
    connections: options.connections,
  });
  const result = await transfer.run();
  await transfer.finish();
  expect(readFileSync(join(folder, 'file')).equals(content)).toBe(true);
  expect(count.given).toBeGreaterThan(0);
  expect(count.back).toBe(count.given);
  return result;
}

describe('a digest of what is in receive buffers', () => {
  it.each([1, 2, 3, 8])('is right although they are used again at once: http, %i connections', async (connections) => {
    origin = await HttpOrigin.start(content);
    expect((await fetchPoisoned(origin.url, { connections })).sha256).toBe(sha256);
  });

  it('is right over https', async () => {
    origin = await HttpOrigin.start(content, { key: server.privateKey, cert: server.certificate });
    expect((await fetchPoisoned(origin.url, { trust: [authority] })).sha256).toBe(sha256);
  });

  it('is right when the general way brings what no other thread can read', async () => {
    origin = await HttpOrigin.start(content);
    expect((await fetchPoisoned(origin.url, { fast: false })).sha256).toBe(sha256);
  });

  it('is right when a connection that had brought something is lost', async () => {
    origin = await HttpOrigin.start(content);
    let cut = 0;
    origin.behaviour = (_request, response, { range }) => {
      if (cut >= 3 || range === undefined) return false;
      cut++;
      const [, start = '0', last = '0'] = /bytes=(\d+)-(\d+)/.exec(range) ?? [];
      response.writeHead(206, {
        etag: '"1"',
        'content-range': `bytes ${start}-${last}/${content.length}`,
        'content-length': Number(last) + 1 - Number(start),
      });
      // Never more than it announced: that would be the beginning of another answer.
      const some = Math.floor((Number(last) - Number(start)) / 2);
      response.write(content.subarray(Number(start), Number(start) + some), () => response.destroy());
      return true;
    };
    expect((await fetchPoisoned(origin.url, { connections: 3 })).sha256).toBe(sha256);
    expect(cut).toBe(3);
  });
});

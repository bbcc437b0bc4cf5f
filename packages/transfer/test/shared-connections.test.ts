import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { createFileTransfer } from '@carmine/transfer';
import { createHttpReceiverFactory, credentialAuthenticators, nodePlatform } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpOrigin } from './support/http-origin.ts';
import { protect } from './support/protect.ts';

const content = new SeededRandom(15).bytes(40_000);
let folder: string;
let origin: HttpOrigin;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-shared-'));
  origin = await HttpOrigin.start(content);
});
afterEach(async () => {
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

type Receivers = ReturnType<typeof createHttpReceiverFactory>;

/** One file after the other, as jobs are. */
async function fetchFiles(count: number, receivers: Receivers, url = origin.url): Promise<void> {
  for (let index = 0; index < count; index++) {
    const path = join(folder, `file-${index}`);
    const temporaryName = `BIT${String(index).padStart(16, '0')}.tmp`;
    const transfer = createFileTransfer(nodePlatform(), { url, path, temporaryName, receivers });
    await transfer.run();
    await transfer.finish();
    expect(readFileSync(path).equals(content)).toBe(true);
  }
}

describe('files that come over the same receivers', () => {
  it.each(['ntlm', 'negotiate'] as const)('log on once for each connection with %s, and need few', async (scheme) => {
    const admitted = protect(origin, [scheme], false);
    const { behaviour } = origin;
    let refused = 0;
    origin.behaviour = (request, response, seen) => {
      const handled = behaviour?.(request, response, seen) ?? false;
      if (handled) refused++;
      return handled;
    };
    const authenticator = credentialAuthenticators([
      { target: 'server', scheme, userName: 'admin', password: 'Pässw0rd' },
    ]);
    const receivers = createHttpReceiverFactory({ authenticator, idle: 60_000 });
    await fetchFiles(50, receivers);
    expect(origin.connections).toBe(1);
    // Asked for a name, and with NTLM for the proof: never again after that.
    expect(refused).toBeLessThanOrEqual(2);
    expect(new Set(admitted).size).toBe(1);
    expect(readdirSync(folder)).toHaveLength(50);
    expect(receivers.isIdle()).toBe(false);
    receivers.close();
    expect(receivers.isIdle()).toBe(true);
  });

  it('have a connection of their own unless told otherwise', async () => {
    const receivers = createHttpReceiverFactory();
    await fetchFiles(3, receivers);
    expect(origin.connections).toBe(3);
    expect(receivers.isIdle()).toBe(true);
  });

  it('get a new one where the server closed the one that waited', async () => {
    origin.behaviour = (_request, response) => {
      response.setHeader('connection', 'close');
      return false;
    };
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    await fetchFiles(5, receivers);
    expect(origin.connections).toBe(5);
    receivers.close();
  });

  it('go the fast way again after one that was nothing for it', async () => {
    origin.behaviour = (request, response) => {
      if (request.url !== '/odd') return false;
      response.writeHead(200, { etag: '"1"' });
      response.write(content.subarray(0, 10));
      response.end(content.subarray(10));
      return true;
    };
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    await fetchFiles(1, receivers);
    const odd = new URL('/odd', origin.url).href;
    await expect(fetchFiles(1, receivers, odd)).rejects.toMatchObject({ code: 'transfer/missing-length' });
    const before = origin.connections;
    await fetchFiles(10, receivers);
    expect(origin.connections).toBeLessThanOrEqual(before + 1);
    receivers.close();
  });

  it('are not told of each other by a connection to where a redirect led', async () => {
    const elsewhere = await HttpOrigin.start(content);
    try {
      const seen: (string | undefined)[] = [];
      elsewhere.behaviour = (request) => {
        seen.push(request.headers.authorization);
        return false;
      };
      origin.behaviour = (_request, response) =>
        Boolean(response.writeHead(302, { location: elsewhere.url, 'content-length': 0 }).end());
      const authenticator = credentialAuthenticators([
        { target: 'server', scheme: 'ntlm', userName: 'admin', password: 'Pässw0rd' },
      ]);
      const receivers = createHttpReceiverFactory({ authenticator, idle: 60_000 });
      await fetchFiles(4, receivers);
      expect([origin.connections, elsewhere.connections]).toEqual([1, 1]);
      expect(new Set(seen)).toEqual(new Set([undefined]));
      // To a file that is there itself, credentials may go, over a connection of its own.
      const admitted = protect(elsewhere, ['ntlm'], false);
      await fetchFiles(2, receivers, elsewhere.url);
      expect(elsewhere.connections).toBe(2);
      expect(admitted.length).toBeGreaterThan(0);
      receivers.close();
    } finally {
      await elsewhere.close();
    }
  });
});

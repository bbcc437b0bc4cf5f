import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnvironment } from '@carmine/auth/node';
import { freePort } from '@carmine/testkit/node';
import { download } from '@carmine/transfer/node';
import { createUrlServer, type UrlServer } from '@carmine/url-server/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const block = 8 * 1024 * 1024;
const content = randomBytes(4 * block + 17);
let folder: string;
let server: UrlServer;
let port: number;
let damaging: { readonly port: number; readonly asked: string[]; close(): void };

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-blocks-')));
  writeFileSync(join(folder, 'file'), content);
  server = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: false,
    anonymous: true,
    persist: true,
    requireChannelBinding: true,
    accounts: () => undefined,
    certificates: { findByThumbprint: async () => undefined, findBySubject: async () => undefined },
    environment: systemEnvironment,
    hostName: 'TEST',
    warn: () => {},
  });
  await server.start();
  port = await freePort();
  const prefix = `http://+:${port}/g/`;
  await server.groups.createUrlGroup(prefix);
  for (const scheme of ['negotiate', 'ntlm'] as const)
    await server.groups.setUrlGroupAuthentication(prefix, scheme, false);
  await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: join(folder, 'file'), sddlAuth: '' });
  const known = async () => (await server.groups.getUrlDetails(prefix, 'file')).sha256;
  await expect.poll(known, { timeout: 10_000, interval: 10 }).not.toBeNull();
  damaging = await damagingWire(port);
});
afterEach(async () => {
  damaging.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** A wire that changes one octet of the third block, the first time that it passes. */
async function damagingWire(target: number) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const mark = content.subarray(2 * block + 4_000_000, 2 * block + 4_000_032);
  let done = false;
  const wire: Server = createServer((client) => {
    const origin = connect(target, '127.0.0.1');
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        origin.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      const [, path] = /^GET (\S+)/.exec(chunk.toString('latin1')) ?? [];
      const [, range] = /range: (\S+)/i.exec(chunk.toString('latin1')) ?? [];
      asked.push(`${path} ${range}`);
      origin.write(chunk);
    });
    origin.on('data', (chunk: Buffer) => {
      const at = done ? -1 : chunk.indexOf(mark);
      if (at >= 0) {
        done = true;
        chunk[at] = (chunk[at] ?? 0) ^ 1;
      }
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
  return {
    port: (wire.address() as AddressInfo).port,
    asked,
    close: () => {
      wire.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe('a block list of a server agent', () => {
  it('makes the engine fetch a bad block again, and nothing else', async () => {
    const path = join(folder, 'copy');
    const result = await download(`http://127.0.0.1:${damaging.port}/g/file`, path, { connections: 1 });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(result.sha256).toBe(createHash('sha256').update(content).digest('hex'));
    const lists = damaging.asked.filter((each) => each.includes('?carmine=block-list'));
    expect(lists).toHaveLength(1);
    const again = damaging.asked.slice(damaging.asked.indexOf(lists[0] ?? '') + 1);
    expect(again.length).toBeGreaterThan(0);
    for (const each of again) {
      const [, first, last] = /^\/g\/file bytes=(\d+)-(\d*)$/.exec(each) ?? [];
      expect(Number(first)).toBeGreaterThanOrEqual(2 * block);
      expect(Number(last === '' ? content.length : last)).toBeLessThan(3 * block);
    }
  });
});

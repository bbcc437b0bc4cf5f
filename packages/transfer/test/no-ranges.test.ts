import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { download } from '../src/node/index.ts';

it('begins anew when a server that knows no ranges says so only after the whole answer was cut short for them', async () => {
  const content = randomBytes(6 * 1024 * 1024);
  const asked: (string | undefined)[] = [];
  let over = () => {};
  const first = new Promise<void>((resolve) => {
    over = resolve;
  });
  const server = createServer((request, response) => {
    asked.push(request.headers.range);
    const answer = () => {
      response.writeHead(200, { 'Content-Length': content.length, 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT' });
      response.end(content);
    };
    if (asked.length === 1) {
      response.on('close', over);
      answer();
    } else if (asked.length === 2) {
      void first.then(answer);
    } else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'carmine-no-ranges-'));
  try {
    const path = join(folder, 'file');
    const { port } = server.address() as AddressInfo;
    await download(`http://127.0.0.1:${port}/`, path, { connections: 4, pieceBytes: 512 * 1024 });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(asked[0]).toBeUndefined();
    expect(asked[1]).toMatch(/^bytes=/);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

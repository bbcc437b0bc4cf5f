import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CallCounter, serveMetrics } from '../src/node/index.ts';

describe('metrics', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'host.example'])('are not served on %s', async (host) => {
    await expect(serveMetrics({ host, port: 0 }, [])).rejects.toMatchObject({ code: 'configuration/invalid' });
  });

  it('are text in Prometheus’ format', async () => {
    const calls = new CallCounter();
    calls.add('GetInstance', 'allowed');
    calls.add('GetInstance', 'allowed');
    calls.add('CreateJob', 'denied');
    const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, [
      calls,
      { collect: () => new Map([['carmine_jobs', 3]]) },
    ]);
    onTestFinished(() => server.close());
    const response = await fetch(`http://${server.address}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.slice(2)).toEqual([
      'carmine_calls_total{action="GetInstance",outcome="allowed"} 2',
      'carmine_calls_total{action="CreateJob",outcome="denied"} 1',
      'carmine_jobs 3',
    ]);
    for (const line of lines) expect(line).toMatch(/^[a-z_]+(\{([a-z]+="[A-Za-z]+",?)+\})? \d+(\.\d+)?$/);
    expect((await fetch(`http://${server.address}/metrics`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`http://${server.address}/other`)).status).toBe(404);
  });

  it('say that the address is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(serveMetrics({ host: '127.0.0.1', port }, [])).rejects.toMatchObject({
      code: 'configuration/in-use',
      message: `the address 127.0.0.1:${port} is in use by another process`,
    });
  });

  it('are not there any more when closed', async () => {
    const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, []);
    await server.close();
    await expect(fetch(`http://${server.address}/metrics`)).rejects.toThrow();
  });

  it('cannot be made to grow or break by callers', () => {
    const calls = new CallCounter();
    for (let i = 0; i < 5000; i++)
      calls.add(
        `m${'abcdefghijklmnopqrstuvwxyz'.charAt(i % 26)}${String.fromCharCode(97 + (Math.floor(i / 26) % 26))}${String.fromCharCode(97 + Math.floor(i / 676))}`,
        'failed',
      );
    calls.add('a"} 1\ninjected{b="', 'denied');
    calls.add('x'.repeat(41), 'denied');
    calls.add('', 'denied');
    expect(calls.collect().size).toBeLessThanOrEqual(502);
    expect(calls.collect().get('carmine_calls_total{action="other",outcome="denied"}')).toBe(3);
    let sum = 0;
    for (const count of calls.collect().values()) sum += count;
    expect(sum).toBe(5003);
  });
});

import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { formatBytes } from '@carmine/cli/output';
import { createSandbox, freePort } from '@carmine/testkit/node';
import { makeFile, type Scenario } from './measure.ts';

const fast = 2_000;
const slow = 4_000;
/** Of a fast client, octets; one a second each, at moments of their own. */
const fastRange = 65_536;
const rounds = 12;
/** What a slow client takes a second, octets; half of what it must. */
const slowRate = 2_048;
const minimumRate = 4_096;
/** Milliseconds. */
const grace = 10_000;
const fileSize = 64 * 1024 * 1024;

/** 2,000 clients that fetch 64 KiB every second and read at once, and 4,000 that read 2 KiB/s of a large file, on one agent. */
export const crowdScenario: Scenario = async (_rounds, say) => {
  const limits = `anonymous = true\nconnection_limit = 16384\nmin_rate_bytes = ${minimumRate}\ngrace_seconds = ${grace / 1000}`;
  const metrics = await freePort();
  const tables = { server: () => `[metrics]\nhttp = "127.0.0.1:${metrics}"` };
  const sandbox = await createSandbox({ section: { server: limits }, tables });
  try {
    const { images, server, user, command } = sandbox;
    await makeFile(join(images, 'source'), fileSize);
    const { child } = await server.start();
    const on = ['--on', `wsman://${user}@127.0.0.1:${server.port}`];
    const port = await freePort();
    const group = `http://+:${port}/bench/`;
    await command('controller', ['url-group', 'create', group, ...on]);
    await command('controller', ['url', 'create', group, 'source', join(images, 'source'), ...on]);
    for (const scheme of ['negotiate', 'ntlm'])
      await command('controller', ['url-group', 'auth', group, '--scheme', scheme, '--disable', ...on]);
    const pid = child.pid ?? 0;
    // The digest of the new file is computed first.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const idle = await residentOf(pid);
    say(`${slow} slow clients, ${fast} fast ones`);
    const crowd = openSlow(port);
    const latencies: number[] = [];
    let lost = 0;
    let most = 0;
    const started = performance.now();
    const running: { readonly at: number; readonly count: number }[] = [];
    let over = false;
    const watching = (async () => {
      while (!over) {
        most = Math.max(most, await residentOf(pid));
        running.push({ count: await runningAt(metrics), at: performance.now() - started });
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    })();
    await Promise.all(
      Array.from({ length: fast }, async () => {
        try {
          latencies.push(...(await fetchAgainAndAgain(port)));
        } catch {
          lost++;
        }
      }),
    );
    // Grace, what the look each second may be late, and what a busy machine needs.
    const end = started + slow + grace * 3;
    while ((running.at(-1)?.count ?? slow) > 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 250));
    over = true;
    await watching;
    crowd.close();
    latencies.sort((a, b) => a - b);
    const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)] ?? Number.NaN;
    const perClient = (most - idle) / (fast + slow);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const peak = Math.max(...running.map(({ count }) => count));
    const left = running.at(-1)?.count ?? Number.NaN;
    const gone = running.find(({ at, count }) => at > grace && count === 0);
    return {
      title: `${fast} fast and ${slow} slow clients at once, ${seconds} s`,
      head: ['WHAT', 'MEASURED', 'ALLOWED'],
      rows: [
        ['answers to fast clients that were not whole', String(fast * rounds - latencies.length), '0'],
        ['connections of fast clients that were lost', String(lost), '0'],
        ['first byte, median', `${at(0.5).toFixed(1)} ms`, ''],
        ['first byte, 99 %', `${at(0.99).toFixed(1)} ms`, '100 ms'],
        ['first byte, worst', `${at(1).toFixed(1)} ms`, ''],
        ['memory for each client, at most', formatBytes(perClient), '160 KiB'],
        ['answers at the same time, at most', String(peak), ''],
        [
          'slow clients that were not dropped',
          gone === undefined ? String(left) : `0, ${((gone.at - slow) / 1000).toFixed(1)} s after the last one came`,
          `0, after ${grace / 1000} s`,
        ],
      ],
      notes: [
        `Fast clients fetch ranges of ${formatBytes(fastRange)}, one a second each; slow ones read ${formatBytes(slowRate)}/s where ${formatBytes(minimumRate)}/s must be, with ${grace / 1000} s of grace.`,
        'Memory is what the resident memory of the agent grew by, at its highest.',
      ],
      report: {
        fast,
        slow,
        lost,
        latencies: { median: at(0.5), p99: at(0.99), worst: at(1) },
        perClient,
        peak,
        left,
      },
    };
  } finally {
    await sandbox.close();
  }
};

/** Milliseconds from each request to the first octet of its answer. */
function fetchAgainAndAgain(port: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    let [asked, missing, first] = [0, 0, true];
    let head = '';
    const buffer = Buffer.allocUnsafe(65_536);
    const ask = () => {
      const from = Math.floor(Math.random() * (fileSize - fastRange));
      [asked, first, head, missing] = [performance.now(), true, '', 0];
      socket.write(`GET /bench/source HTTP/1.1\r\nHost: x\r\nRange: bytes=${from}-${from + fastRange - 1}\r\n\r\n`);
    };
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback: (bytes) => {
          if (first) latencies.push(performance.now() - asked);
          first = false;
          let body = bytes;
          if (missing === 0) {
            head += buffer.toString('latin1', 0, bytes);
            const end = head.indexOf('\r\n\r\n');
            if (end < 0) return true;
            if (!head.startsWith('HTTP/1.1 206 ')) socket.destroy();
            missing = fastRange;
            body = head.length - end - 4;
          }
          missing -= body;
          if (missing > 0) return true;
          if (latencies.length < rounds) setTimeout(ask, 900 + Math.random() * 200);
          else socket.end();
          return true;
        },
      },
    });
    socket.on('connect', () => setTimeout(ask, Math.random() * 1000));
    socket.on('error', () => {});
    socket.on('close', () =>
      latencies.length === rounds && missing === 0 ? resolve(latencies) : reject(new Error('lost')),
    );
  });
}

/** Each asks for the whole file and takes one buffer of it a second. */
function openSlow(port: number): { close(): void } {
  const stops: (() => void)[] = [];
  for (let index = 0; index < slow; index++) {
    const buffer = Buffer.allocUnsafe(slowRate);
    // A thousand connections a second: the backlog is not what is measured.
    const starting = setTimeout(() => {
      const socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback: () => false } });
      socket.on('connect', () => socket.write('GET /bench/source HTTP/1.1\r\nHost: x\r\n\r\n'));
      const reading = setInterval(() => socket.resume(), 1000);
      socket.on('error', () => {});
      socket.on('close', () => clearInterval(reading));
      stops.push(() => socket.destroy());
    }, index);
    stops.push(() => clearTimeout(starting));
  }
  return {
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

/** Answers that the agent is sending, as its metrics say. */
async function runningAt(metrics: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  return Number(/^carmine_transfers_running (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}

async function residentOf(pid: number): Promise<number> {
  const [, kibibytes] = /VmRSS:\s*(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

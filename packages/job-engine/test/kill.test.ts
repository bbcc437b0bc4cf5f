import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatedOrigin } from './support/gated-origin.ts';

const checkpoint = 256 * 1024;
const content = new SeededRandom(5).bytes(8 * 1024 * 1024);

interface Report {
  readonly state?: string;
  readonly bytes?: number;
  readonly completed?: boolean;
}

describe('kill -9 of the whole process', () => {
  let folder: string;
  let origin: GatedOrigin;
  let agent: ChildProcess | undefined;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-kill-'));
    mkdirSync(join(folder, 'inbox'));
    origin = await GatedOrigin.start(content);
  });
  afterEach(async () => {
    agent?.kill('SIGKILL');
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the agent; `next` gives its reports one by one. */
  function start(): {
    readonly next: (until: (report: Report) => boolean) => Promise<Report[]>;
    readonly say: (line: string) => void;
  } {
    const program = new URL('support/agent-process.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--conditions=@carmine/source', program, folder, String(checkpoint)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    agent = child;
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      say: (line) => child.stdin.write(`${line}\n`),
      next: async (until) => {
        const reports: Report[] = [];
        for (;;) {
          const { value, done } = await lines.next();
          if (done === true) throw new Error(`the agent ended after ${JSON.stringify(reports)}`);
          const report = JSON.parse(value) as Report;
          reports.push(report);
          if (until(report)) return reports;
        }
      },
    };
  }

  async function kill(): Promise<void> {
    const child = agent as ChildProcess;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  it.each([
    ['a file', undefined],
    ['a range of one', { offset: 200_000, length: 8_000_000 }],
  ])(
    'loses nothing of %s that was reported, fetches nothing of it again, and ends with the right file',
    async (_what, range) => {
      const { offset, length } = range ?? { offset: 0, length: content.length };
      let { next, say } = start();
      say(`create ${origin.url} ${join(folder, 'inbox', 'file')}${range === undefined ? '' : ` ${offset}:${length}`}`);
      let reported = 0;
      for (const limit of [1_000_000, 2_500_000, 5_000_000]) {
        origin.open(limit);
        const reports = await next(({ bytes = 0 }) => bytes > reported && bytes >= limit - offset - checkpoint);
        reported = reports.at(-1)?.bytes ?? 0;
        await kill();
        ({ next, say } = start());
        // The first thing that the next process says of the job is at least what the last one said.
        const [first] = await next(() => true);
        expect(first?.bytes).toBeGreaterThanOrEqual(reported);
        await next(({ state }) => state === 'connecting' || state === 'transferring');
        origin.open(limit + 1);
      }
      origin.open(content.length);
      const reports = await next(({ state }) => state === 'transferred');
      for (const [index, { bytes = 0 }] of reports.entries()) {
        expect(bytes).toBeGreaterThanOrEqual(reports[index - 1]?.bytes ?? 0);
      }
      say('complete');
      await next(({ completed }) => completed === true);
      expect(readFileSync(join(folder, 'inbox', 'file')).equals(content.subarray(offset, offset + length))).toBe(true);
      expect(readdirSync(join(folder, 'inbox'))).toEqual(['file']);
      expect(origin.starts[0]).toBe(offset);
      expect(origin.starts.slice(1).every((position, index) => position >= (origin.starts[index] ?? 0))).toBe(true);
      expect(origin.starts.at(-1)).toBeGreaterThanOrEqual(5_000_000 - checkpoint);
    },
    60_000,
  );

  it('loses no small file that was reported, and each ends with its right name', async () => {
    const count = 150;
    const small = content.subarray(0, 30_000);
    const many = await GatedOrigin.start(small);
    many.open(small.length);
    try {
      let { next, say } = start();
      say(`files ${many.url} ${join(folder, 'inbox')} ${count}`);
      let last: Report = {};
      for (let kills = 0; kills < 2 && last.state !== 'transferred'; kills++) {
        const reported = last.bytes ?? 0;
        last = (await next(({ bytes = 0 }) => bytes > reported)).at(-1) ?? last;
        await kill();
        many.starts.length = 0;
        ({ next, say } = start());
        const [first] = await next(() => true);
        expect(first?.bytes).toBeGreaterThanOrEqual(last.bytes ?? 0);
        last = first ?? last;
      }
      const reported = last.bytes ?? 0;
      if (last.state !== 'transferred') await next(({ state }) => state === 'transferred');
      // Nothing that was reported was asked for again.
      expect(many.starts.length).toBeLessThanOrEqual(count - reported / small.length);
      // In the middle of Complete: what had begun is brought to its end, or can be begun again.
      say('complete');
      await new Promise((resolve) => setImmediate(resolve));
      await kill();
      ({ next, say } = start());
      say('complete');
      await next(({ completed }) => completed === true);
      expect(readdirSync(join(folder, 'inbox'))).toHaveLength(count);
      for (let index = 0; index < count; index++) {
        expect(readFileSync(join(folder, 'inbox', `${index}`)).equals(small)).toBe(true);
      }
    } finally {
      await many.close();
    }
  }, 60_000);
});

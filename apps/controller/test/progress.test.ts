import type { CopyProgress } from '@carmine/controller';
import { describe, expect, it } from 'vitest';
import { ProgressDisplay } from '../src/progress.ts';

function display(isTerminal: boolean) {
  const written: string[] = [];
  let now = 1_000_000;
  const shown = new ProgressDisplay({ isTerminal, write: (text) => void written.push(text), now: () => now });
  return {
    written,
    end: () => shown.end(),
    show(seconds: number, changes: Partial<CopyProgress>) {
      now = 1_000_000 + seconds * 1000;
      shown.show({ phase: 'transferring', bytesTransferred: 0n, bytesTotal: 1000n, jobId: undefined, ...changes });
    },
  };
}

describe('plain lines', () => {
  it('come at every change of phase', () => {
    const { show, written } = display(false);
    show(0, { phase: 'queued', bytesTotal: undefined });
    show(1, { phase: 'connecting', bytesTotal: undefined });
    show(2, { phase: 'connecting', bytesTotal: undefined });
    show(3, { phase: 'transferring' });
    show(4, { phase: 'connecting' });
    expect(written).toEqual([
      'queued        0 s\n',
      'connecting    1 s\n',
      'transferring    0 %  0 B of 1000 B\n',
      'connecting      0 %  0 B of 1000 B\n',
    ]);
  });

  it('come every 10 s at most when nothing else happens', () => {
    const { show, written } = display(false);
    for (let seconds = 0; seconds <= 60; seconds++) show(seconds, { bytesTransferred: BigInt(seconds) });
    expect(written.map((line) => line.slice(0, 19))).toEqual([
      'transferring    0 %',
      'transferring    1 %',
      'transferring    2 %',
      'transferring    3 %',
      'transferring    4 %',
      'transferring    5 %',
      'transferring    6 %',
    ]);
  });

  it('come at each 10 %, once', () => {
    const { show, written } = display(false);
    for (let bytes = 0; bytes <= 1000; bytes += 5) show(bytes / 1000, { bytesTransferred: BigInt(bytes) });
    const percents = written.map((line) => Number(/(\d+) %/.exec(line)?.[1]));
    expect(percents).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  });

  it('have no control characters, and no end', () => {
    const { show, written, end } = display(false);
    show(0, {});
    show(20, { bytesTransferred: 500n });
    end();
    for (const line of written) expect(line).toMatch(/^[^\r\u001b]+\n$/);
  });

  it('tell rate and time left while transferring', () => {
    const { show, written } = display(false);
    show(0, { bytesTotal: 102_400n });
    show(2, { bytesTotal: 102_400n, bytesTransferred: 20_480n });
    expect(written[1]).toBe('transferring   20 %  20.0 KiB of 100.0 KiB  10.0 KiB/s  8 s left\n');
  });

  it('measure the rate over the last seconds', () => {
    const { show, written } = display(false);
    show(0, { bytesTotal: 100_000n });
    for (let second = 1; second <= 20; second++)
      show(second, { bytesTotal: 100_000n, bytesTransferred: second <= 10 ? 0n : BigInt(second - 10) * 1024n });
    show(21, { bytesTotal: 100_000n, bytesTransferred: 12_288n });
    expect(written.at(-1)).toContain('1.0 KiB/s');
  });

  it('tell why it waits, and until when', () => {
    const { show, written } = display(false);
    show(0, { phase: 'waiting', reason: 'cannot connect', nextAttempt: 1_000_000 + 90_000 });
    show(100, { phase: 'waiting', reason: 'cannot connect', nextAttempt: 1_000_000 + 90_000 });
    show(200, { phase: 'waiting', reason: '', bytesTotal: undefined });
    expect(written).toEqual([
      'waiting         0 %  0 B of 1000 B  cannot connect  next try in 1 min 30 s\n',
      'waiting         0 %  0 B of 1000 B  cannot connect  next try in 0 s\n',
      'waiting     \n',
    ]);
  });

  it('know files of no size, and sizes beyond numbers', () => {
    const { show, written } = display(false);
    show(0, { bytesTotal: 0n });
    show(20, { phase: 'verifying', bytesTotal: 2n ** 63n, bytesTransferred: 2n ** 62n });
    expect(written[0]).toBe('transferring  100 %  0 B of 0 B\n');
    expect(written[1]).toMatch(/^verifying {6}50 % /);
  });
});

describe('live lines', () => {
  it('overwrite each other and end once', () => {
    const { show, written, end } = display(true);
    show(0, {});
    show(0.1, { bytesTransferred: 1n });
    end();
    end();
    expect(written).toHaveLength(3);
    expect(written[0]).toMatch(/^\r\u001b\[K[^\n]+$/);
    expect(written[1]).toMatch(/^\r\u001b\[K[^\n]+$/);
    expect(written[2]).toBe('\n');
    show(1, {});
    end();
    expect(written.slice(3)).toEqual([expect.stringContaining('transferring'), '\n']);
  });
});

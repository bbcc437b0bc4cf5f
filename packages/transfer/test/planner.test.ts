import { CarmineError } from '@carmine/errors';
import {
  createPlanner,
  ExtentSet,
  type PlannerCommand,
  type PlannerEvent,
  type PlannerOptions,
  type ReceiverRequest,
} from '@carmine/transfer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const head = (status: number, headers: Record<string, string>) => ({ status, headers, origin: 'http://o' });
const describe1000 = { etag: '"1"', 'accept-ranges': 'bytes', 'content-length': '1000' };
const part = (start: number, end: number, etag = '"1"') =>
  head(206, { etag, 'content-range': `bytes ${start}-${end - 1}/1000`, 'content-length': String(end - start) });
const lost = () => new CarmineError('transfer/connection-lost', { context: { origin: 'o' } });

/** A planner with a hand on every event; commands are collected. */
function drive(options: PlannerOptions) {
  const planner = createPlanner({ checkpointBytes: 200, pieceBytes: 160, probe: true, ...options });
  let now = 0;
  const tell = (event: PlannerEvent): PlannerCommand[] => {
    planner.handle(event, now);
    const commands: PlannerCommand[] = [];
    for (let command = planner.poll(); command !== undefined; command = planner.poll()) commands.push(command);
    return commands;
  };
  return {
    planner,
    tell,
    wait(milliseconds: number) {
      now += milliseconds;
      return tell({ type: 'timeout' });
    },
  };
}

function requestsIn(commands: readonly PlannerCommand[]) {
  return commands.filter((command) => command.type === 'request');
}

/** Up to the first requests for data. */
function begun(options: PlannerOptions, described = describe1000) {
  const driven = drive(options);
  driven.tell({ type: 'start' });
  driven.tell({ type: 'responded', stream: 1, head: head(200, described) });
  driven.tell({ type: 'ended', stream: 1 });
  return { ...driven, requests: driven.tell({ type: 'prepared' }) };
}

describe('planner', () => {
  it('asks for the size, writes the header, then fetches', () => {
    const { tell } = drive({ connections: 1 });
    expect(tell({ type: 'start' })).toEqual([
      {
        type: 'request',
        stream: 1,
        slot: 0,
        mirror: 0,
        request: { method: 'HEAD', range: undefined, validator: undefined },
      },
    ]);
    expect(tell({ type: 'responded', stream: 1, head: head(200, describe1000) })).toEqual([]);
    expect(tell({ type: 'ended', stream: 1 })).toMatchObject([
      { type: 'prepare', source: { length: 1_000, etag: '"1"' } },
    ]);
    // Nothing is asked for before the journal says for which version.
    expect(tell({ type: 'prepared' })).toEqual([
      {
        type: 'request',
        stream: 2,
        slot: 0,
        mirror: 0,
        request: { method: 'GET', range: undefined, validator: { kind: 'etag', value: '"1"' } },
      },
    ]);
  });

  it('cuts a file into pieces for its connections, and gives each connection the next one', () => {
    const { tell, requests } = begun({ connections: 2 });
    expect(requests).toMatchObject([
      { stream: 2, slot: 0, request: { range: { start: 0, end: 160 } } },
      { stream: 3, slot: 1, request: { range: { start: 160, end: 320 } } },
    ]);
    tell({ type: 'responded', stream: 3, head: part(160, 320) });
    tell({ type: 'received', stream: 3, bytes: 160 });
    const after = tell({ type: 'ended', stream: 3 });
    expect(after).toMatchObject([
      { type: 'flush', stream: 3 },
      { type: 'request', stream: 4, slot: 1 },
    ]);
  });

  it('calls bytes transferred only when they are journalled', () => {
    const { planner, tell } = begun({ connections: 1 });
    tell({ type: 'responded', stream: 2, head: head(200, describe1000) });
    tell({ type: 'received', stream: 2, bytes: 120 });
    expect(planner.transferred).toBe(0);
    expect(tell({ type: 'written', stream: 2, bytes: 120 })).toEqual([
      { type: 'checkpoint', sequence: 1, extents: [{ start: 0, end: 120 }] },
    ]);
    expect(planner.transferred).toBe(0);
    tell({ type: 'journalled', sequence: 1 });
    expect(planner.transferred).toBe(120);
  });

  it('makes little durable too, after a second', () => {
    const { planner, tell, wait } = begun({ connections: 1 });
    tell({ type: 'responded', stream: 2, head: head(200, describe1000) });
    tell({ type: 'received', stream: 2, bytes: 10 });
    expect(wait(500)).toEqual([]);
    expect(planner.nextTimeout()).toBe(1_000);
    expect(wait(499)).toEqual([]);
    expect(wait(1)).toEqual([{ type: 'flush', stream: 2 }]);
    expect(tell({ type: 'written', stream: 2, bytes: 10 })).toMatchObject([{ type: 'checkpoint' }]);
    expect(wait(5)).toEqual([]);
  });

  it('holds a stream back before a whole checkpoint of it is unsafe', () => {
    const { tell } = begun({ connections: 1 });
    tell({ type: 'responded', stream: 2, head: head(200, describe1000) });
    expect(tell({ type: 'received', stream: 2, bytes: 90 })).toEqual([]);
    expect(tell({ type: 'received', stream: 2, bytes: 20 })).toEqual([
      { type: 'pause', stream: 2 },
      { type: 'flush', stream: 2, blocks: true },
    ]);
    tell({ type: 'written', stream: 2, bytes: 110 });
    expect(tell({ type: 'journalled', sequence: 1 })).toEqual([{ type: 'resume', stream: 2 }]);
  });

  it('holds it back early enough for a whole receive buffer to come on top', () => {
    const mib = 1024 * 1024;
    const described = { ...describe1000, 'content-length': String(64 * mib) };
    const { tell } = begun({ connections: 1, checkpointBytes: 8 * mib }, described);
    tell({ type: 'responded', stream: 2, head: head(200, described) });
    const chunk = 100 * 1024;
    let received = 0;
    for (let paused = false; !paused; received += chunk) {
      expect(received + 2 * mib).toBeLessThanOrEqual(8 * mib);
      paused = tell({ type: 'received', stream: 2, bytes: chunk }).some(({ type }) => type === 'pause');
      tell({ type: 'written', stream: 2, bytes: chunk });
    }
    expect(received).toBeGreaterThan(5.5 * mib);
  });

  it.each([
    ['8 MiB, where nothing else is said', undefined, 20, 8],
    ['what comes in a tenth of a second, when that is more', undefined, 200, 20],
    ['but 32 MiB at most', undefined, 1_000, 32],
    ['what was said, however quick it is', 8, 1_000, 8],
  ])('a crash may cost a connection %s', (_what, bytes, rate, most) => {
    const mib = 1024 * 1024;
    const described = { ...describe1000, 'content-length': String(4096 * mib) };
    const { tell, wait } = begun(
      { connections: 1, checkpointBytes: bytes === undefined ? undefined : bytes * mib, checkpointTime: 1e6 },
      described,
    );
    tell({ type: 'responded', stream: 2, head: head(200, described) });
    // Once it is known how quick it is, the journal hangs.
    let [sequence, lost] = [0, 0];
    for (let turn = 0, paused = false; turn < 4_000 && !paused; turn++) {
      wait(1);
      const brought = (rate * mib) / 1_000;
      const commands = [
        ...tell({ type: 'received', stream: 2, bytes: brought }),
        ...tell({ type: 'written', stream: 2, bytes: brought }),
      ];
      paused = turn >= 1_000 && commands.some(({ type }) => type === 'pause');
      lost = turn < 1_000 ? 0 : lost + brought;
      if (turn < 1_000)
        for (const { type } of commands) if (type === 'checkpoint') tell({ type: 'journalled', sequence: ++sequence });
    }
    expect(lost).toBeLessThanOrEqual(most * mib);
    expect(lost).toBeGreaterThan((most / 2 - 2) * mib);
  });

  it('knows how far the file is written from its beginning, and takes back what will be written again', () => {
    const { planner, tell } = begun({ connections: 2, computeSha256: true });
    expect([planner.wantsDigest, planner.contiguous]).toEqual([true, 0]);
    tell({ type: 'responded', stream: 2, head: part(0, 160) });
    tell({ type: 'responded', stream: 3, head: part(160, 320) });
    tell({ type: 'received', stream: 3, bytes: 50 });
    tell({ type: 'written', stream: 3, bytes: 50 });
    expect(planner.contiguous).toBe(0);
    tell({ type: 'received', stream: 2, bytes: 130 });
    tell({ type: 'written', stream: 2, bytes: 120 });
    expect(planner.contiguous).toBe(120);
    tell({ type: 'received', stream: 2, bytes: 30 });
    tell({ type: 'written', stream: 2, bytes: 40 });
    expect(planner.contiguous).toBe(210);
    // Journalled so far: 50 of stream 3. More than announced: what else stream 2 brought is void.
    tell({ type: 'journalled', sequence: 1 });
    expect(tell({ type: 'received', stream: 2, bytes: 1 })).toContainEqual({ type: 'abort', stream: 2, discard: true });
    expect(planner.contiguous).toBeLessThan(160);
  });

  it('opens one connection until the server has shown that it knows ranges', () => {
    const { tell } = drive({ connections: 3 });
    tell({ type: 'start' });
    tell({ type: 'responded', stream: 1, head: head(200, { etag: '"1"', 'content-length': '1000' }) });
    tell({ type: 'ended', stream: 1 });
    expect(tell({ type: 'prepared' })).toMatchObject([{ stream: 2, request: { range: { start: 0, end: 160 } } }]);
    expect(tell({ type: 'responded', stream: 2, head: part(0, 160) })).toMatchObject([{ stream: 3 }, { stream: 4 }]);
  });

  it('opens the others while the journal is got ready for the version that the first answer told', () => {
    const { planner, tell } = drive({ connections: 3, probe: false });
    tell({ type: 'start' });
    expect(tell({ type: 'responded', stream: 1, head: head(200, describe1000) })).toMatchObject([
      { type: 'prepare' },
      { type: 'request', stream: 2, request: { range: { start: 160, end: 320 } } },
      { type: 'request', stream: 3 },
    ]);
    // What they bring is neither written nor journalled before that, nor is the transfer over.
    tell({ type: 'responded', stream: 2, head: part(160, 320) });
    expect(tell({ type: 'received', stream: 2, bytes: 160 }).map(({ type }) => type)).not.toContain('checkpoint');
    expect(planner.contiguous).toBe(0);
    expect(tell({ type: 'prepared' })).toEqual([]);
  });

  it('does not give up for a connection too many, but for the last one', () => {
    const { tell, wait } = begun({ connections: 2 });
    const busy = () => head(503, {});
    tell({ type: 'responded', stream: 2, head: part(0, 160) });
    expect(tell({ type: 'responded', stream: 3, head: busy() })).toEqual([{ type: 'abort', stream: 3, discard: true }]);
    tell({ type: 'received', stream: 2, bytes: 160 });
    const next = tell({ type: 'ended', stream: 2 });
    expect(next).toMatchObject([{ type: 'flush' }, { type: 'request', stream: 4 }]);
    tell({ type: 'responded', stream: 4, head: busy() });
    tell({ type: 'written', stream: 2, bytes: 160 });
    tell({ type: 'journalled', sequence: 1 });
    // It went well until now: once more, a little later.
    expect(wait(999)).toEqual([]);
    expect(wait(1)).toMatchObject([{ type: 'request', stream: 5 }]);
    expect(tell({ type: 'responded', stream: 5, head: busy() })).toMatchObject([
      { type: 'abort', stream: 5 },
      { type: 'fail', error: { kind: 'transient' } },
    ]);
  });

  it('comes again when the server says, which the other connections do not wait for', () => {
    const { tell, wait } = begun({ connections: 2 });
    const busy = (status: number, seconds: string) => head(status, { 'retry-after': seconds });
    tell({ type: 'responded', stream: 2, head: part(0, 160) });
    expect(tell({ type: 'responded', stream: 3, head: busy(429, '30') })).toEqual([
      { type: 'abort', stream: 3, discard: true },
    ]);
    tell({ type: 'received', stream: 2, bytes: 160 });
    expect(tell({ type: 'ended', stream: 2 })).toMatchObject([{ type: 'flush' }, { type: 'request', stream: 4 }]);
    tell({ type: 'written', stream: 2, bytes: 160 });
    tell({ type: 'journalled', sequence: 1 });
    // Now there is nobody else: three times in a row, each time as long as it says.
    for (const [stream, seconds] of [
      [4, 20],
      [5, 7],
      [6, 2],
    ] as const) {
      tell({ type: 'responded', stream, head: busy(503, String(seconds)) });
      expect(wait(seconds * 1_000 - 1)).toEqual([]);
      expect(wait(1)).toMatchObject([{ type: 'request', stream: stream + 1 }]);
    }
    expect(tell({ type: 'responded', stream: 7, head: busy(503, '1') })).toMatchObject([
      { type: 'abort', stream: 7 },
      { type: 'fail', error: { kind: 'transient' } },
    ]);
  });

  it('does not ask for one more at once because the server says to', () => {
    const { tell } = begun({ connections: 2 });
    tell({ type: 'responded', stream: 2, head: part(0, 160) });
    const busy = head(503, { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' });
    expect(tell({ type: 'responded', stream: 3, head: busy })).toEqual([{ type: 'abort', stream: 3, discard: true }]);
  });

  it('ends with the error where the server says to come again much later, and waits before the first byte too', () => {
    const { tell, wait } = drive({ connections: 1, probe: false });
    tell({ type: 'start' });
    tell({ type: 'responded', stream: 1, head: head(503, { 'retry-after': '5' }) });
    expect(wait(4_999)).toEqual([]);
    expect(wait(1)).toMatchObject([{ type: 'request', stream: 2 }]);
    expect(tell({ type: 'responded', stream: 2, head: head(503, { 'retry-after': '61' }) })).toMatchObject([
      { type: 'abort', stream: 2 },
      { type: 'fail', error: { kind: 'transient', context: { retryAfter: '61' } } },
    ]);
  });

  it('keeps what it has when the server turns out to have the same version after all', () => {
    const { planner, tell } = begun({ connections: 1 });
    tell({ type: 'responded', stream: 2, head: head(200, describe1000) });
    tell({ type: 'received', stream: 2, bytes: 300 });
    tell({ type: 'written', stream: 2, bytes: 300 });
    tell({ type: 'journalled', sequence: 1 });
    tell({ type: 'failed', stream: 2, error: lost() });
    // Another machine behind the same name.
    expect(tell({ type: 'responded', stream: 3, head: part(300, 1_000, '"other"') })).toMatchObject([
      { type: 'abort' },
      { type: 'request', request: { method: 'HEAD' } },
    ]);
    tell({ type: 'responded', stream: 4, head: head(200, describe1000) });
    expect(tell({ type: 'ended', stream: 4 })).toMatchObject([{ request: { range: { start: 300, end: 1_000 } } }]);
    expect(planner.transferred).toBe(300);
  });

  it('stops only when everything received is journalled', () => {
    const { planner, tell } = begun({ connections: 1 });
    tell({ type: 'responded', stream: 2, head: head(200, describe1000) });
    tell({ type: 'received', stream: 2, bytes: 50 });
    expect(tell({ type: 'stop' })).toEqual([
      { type: 'abort', stream: 2, discard: false },
      { type: 'flush', stream: 2 },
    ]);
    expect(tell({ type: 'written', stream: 2, bytes: 50 })).toMatchObject([{ type: 'checkpoint' }]);
    expect(tell({ type: 'journalled', sequence: 1 })).toEqual([{ type: 'stopped' }]);
    expect(planner.transferred).toBe(50);
  });

  it('verifies once: a digest in the journal is enough, unless another one is wanted', () => {
    const source = { length: 10, etag: '"1"' };
    const done = new ExtentSet([{ start: 0, end: 10 }]);
    const verified = 'aa'.repeat(32);
    const resumed = { source, done, verified };
    expect(drive({ resumed, computeSha256: true }).tell({ type: 'start' })).toEqual([
      { type: 'complete', sha256: verified },
    ]);
    const other = drive({ resumed, expectedSha256: 'bb'.repeat(32) });
    expect(other.tell({ type: 'start' })).toEqual([{ type: 'prepare', source: undefined }]);
    expect(other.tell({ type: 'prepared' })).toMatchObject([
      { type: 'fail', error: { code: 'transfer/digest-mismatch' } },
    ]);
    expect(drive({ resumed: { source, done } }).tell({ type: 'start' })).toEqual([
      { type: 'complete', sha256: undefined },
    ]);
  });

  it.each([
    ['a new one', undefined],
    ['a resumed one of another version', { source: { length: 1_000, etag: '"0"' }, done: [{ start: 0, end: 500 }] }],
  ])('%s begins anew where ranges, which were only hoped for, are not known', (_what, journal) => {
    const resumed = journal === undefined ? undefined : { ...journal, done: new ExtentSet(journal.done) };
    const { tell } = drive({ connections: 2, probe: false, resumed });
    let asked = requestsIn(tell({ type: 'start' }));
    if (resumed !== undefined) {
      const [changed] = requestsIn(tell({ type: 'responded', stream: asked[0]?.stream ?? 0, head: head(412, {}) }));
      expect(changed?.request.method).toBe('HEAD');
      tell({ type: 'responded', stream: changed?.stream ?? 0, head: head(405, {}) });
      asked = requestsIn(tell({ type: 'ended', stream: changed?.stream ?? 0 }));
    }
    const whole = asked[0]?.stream ?? 0;
    const everything = head(200, { etag: '"1"', 'content-length': '1000' });
    const [second] = requestsIn(tell({ type: 'responded', stream: whole, head: everything }));
    tell({ type: 'prepared' });
    // The answer with everything is cut short where the second one is to begin.
    const end = second?.request.range?.start ?? 0;
    expect(end).toBeGreaterThan(0);
    expect(tell({ type: 'received', stream: whole, bytes: end })).toContainEqual({
      type: 'abort',
      stream: whole,
      discard: false,
    });
    const after = tell({ type: 'responded', stream: second?.stream ?? 0, head: everything });
    expect(after.at(-1)).toEqual({ type: 'prepare', source: { length: 1_000, etag: '"1"' } });
    const again = tell({ type: 'prepared' });
    expect(again).toMatchObject([{ type: 'request', request: { method: 'GET', range: undefined } }]);
  });

  it('a resumed one whose server knows no ranges any more ends, as nothing of it can be continued', () => {
    const resumed = { source: { length: 1_000, etag: '"1"' }, done: new ExtentSet([{ start: 0, end: 500 }]) };
    const { tell } = drive({ connections: 1, resumed });
    const [asked] = requestsIn(tell({ type: 'start' }));
    const everything = head(200, { etag: '"1"', 'content-length': '1000' });
    tell({ type: 'responded', stream: asked?.stream ?? 0, head: everything });
    expect(tell({ type: 'prepared' })).toMatchObject([{ type: 'fail', error: { code: 'transfer/no-ranges' } }]);
  });

  it('handles offsets beyond 4 GiB', () => {
    const length = 6 * 2 ** 30;
    const source = { length, etag: '"1"' };
    const done = new ExtentSet([{ start: 0, end: length - 5 }]);
    const { planner, tell } = drive({ connections: 1, resumed: { source, done } });
    expect(tell({ type: 'start' })).toMatchObject([{ request: { range: { start: length - 5, end: length } } }]);
    const range = `bytes ${length - 5}-${length - 1}/${length}`;
    tell({ type: 'responded', stream: 1, head: head(206, { etag: '"1"', 'content-range': range }) });
    tell({ type: 'received', stream: 1, bytes: 5 });
    tell({ type: 'ended', stream: 1 });
    tell({ type: 'written', stream: 1, bytes: 5 });
    expect(tell({ type: 'journalled', sequence: 1 })).toEqual([{ type: 'complete', sha256: undefined }]);
    expect(planner.transferred).toBe(length);
  });

  it('survives events in any order: nothing is thrown, nothing is claimed twice, nothing follows the end', () => {
    const wild = [part(0, 100), part(200, 300, '"2"'), head(412, {}), head(416, {}), head(503, {}), head(404, {})];
    const event = fc.record({
      kind: fc.oneof(
        { weight: 30, arbitrary: fc.constant('received' as const) },
        { weight: 12, arbitrary: fc.constant('answer' as const) },
        { weight: 6, arbitrary: fc.constant('ended' as const) },
        { weight: 3, arbitrary: fc.constantFrom('failed' as const, 'timeout' as const) },
        { weight: 1, arbitrary: fc.constantFrom('wild' as const, 'stop' as const) },
      ),
      which: fc.nat(3),
      size: fc.integer({ min: 1, max: 250 }),
    });
    let journalled = 0;
    const ends = new Set<boolean>();
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.integer({ min: 1, max: 4 }), (events, connections) => {
        const { planner, tell, wait } = drive({ connections });
        // The disk does what it is told, as the shell does; only the network is wild.
        const streams = new Map<
          number,
          { state: 'asked' | 'open' | 'over'; pending: number; left: number; readonly request: ReceiverRequest }
        >();
        let over = false;
        const obey = (commands: PlannerCommand[]): void => {
          for (const command of commands) {
            expect(over).toBe(false);
            const stream = 'stream' in command ? streams.get(command.stream) : undefined;
            switch (command.type) {
              case 'request':
                streams.set(command.stream, { state: 'asked', pending: 0, left: 0, request: command.request });
                break;
              case 'prepare':
                obey(tell({ type: 'prepared' }));
                expect(planner.transferred).toBe(0);
                break;
              case 'checkpoint': {
                const before = planner.transferred;
                obey(tell({ type: 'journalled', sequence: command.sequence }));
                // Each byte is there once: a piece that was done or claimed is never asked for again.
                const sum = command.extents.reduce((total, { start, end }) => total + end - start, 0);
                expect(sum).toBeGreaterThan(0);
                expect(planner.transferred).toBeGreaterThanOrEqual(before + sum);
                journalled += sum;
                break;
              }
              case 'flush':
                if (stream !== undefined && stream.pending > 0) {
                  const bytes = stream.pending;
                  stream.pending = 0;
                  obey(tell({ type: 'written', stream: command.stream, bytes }));
                }
                break;
              case 'abort':
                if (command.discard) streams.delete(command.stream);
                else if (stream !== undefined) stream.state = 'over';
                break;
              case 'complete':
                expect(planner.transferred).toBe(1_000);
                over = true;
                break;
              case 'fail':
              case 'stopped':
                over = true;
                break;
              default:
                break;
            }
          }
        };
        obey(tell({ type: 'start' }));
        for (const { kind, which, size } of events) {
          if (kind === 'timeout') obey(wait(1_000));
          if (kind === 'stop') obey(tell({ type: 'stop' }));
          const live = [...streams].filter(([, stream]) => stream.state !== 'over');
          const [id, stream] = live[which % Math.max(1, live.length)] ?? [];
          if (id === undefined || stream === undefined) continue;
          // A receiver gives a head first, then data, then the end or an error.
          if ((kind === 'answer' || kind === 'wild') && stream.state === 'asked') {
            const { range, method } = stream.request;
            stream.state = 'open';
            stream.left = range === undefined ? 1_000 : range.end - range.start;
            const right = range === undefined ? head(200, describe1000) : part(range.start, range.end);
            obey(
              tell({
                type: 'responded',
                stream: id,
                head: kind === 'wild' ? (wild[size % wild.length] ?? right) : right,
              }),
            );
            if (method === 'HEAD') {
              stream.state = 'over';
              obey(tell({ type: 'ended', stream: id }));
            }
          } else if (kind === 'received' && stream.state === 'open' && stream.left > 0) {
            // Now and then more than there is.
            const bytes = size > 245 ? stream.left + 1 : Math.min(size, stream.left);
            stream.left -= bytes;
            const commands = tell({ type: 'received', stream: id, bytes });
            if (!commands.some((command) => command.type === 'abort' && command.stream === id)) stream.pending += bytes;
            obey(commands);
            if (stream.left === 0 && streams.has(id)) {
              stream.state = 'over';
              obey(tell({ type: 'ended', stream: id }));
            }
          } else if (kind === 'ended' || kind === 'failed') {
            stream.state = 'over';
            obey(
              tell(kind === 'ended' ? { type: 'ended', stream: id } : { type: 'failed', stream: id, error: lost() }),
            );
          }
          expect(planner.transferred).toBeLessThanOrEqual(1_000);
        }
        ends.add(over);
      }),
      { numRuns: 500, seed: 1 },
    );
    // The test means something: bytes moved, and some runs came to an end.
    expect(journalled).toBeGreaterThan(5_000);
    expect(ends).toEqual(new Set([true, false]));
  });
});

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AnswerBuffers, startOfAnswer, usualBuffer } from '../src/node/answer-buffers.ts';
import { allocatePages, directLength } from '../src/node/direct-writes.ts';
import { loadFfi } from '../src/node/ffi.ts';
import { openFileSystemCalls } from '../src/node/file-system-calls.ts';
import { SmallFiles } from '../src/node/small-files.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'carmine-files-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Memory that begins `into` a page, with content of that length. */
function content(seed: number, length: number, into = 0): Uint8Array {
  const memory = new Uint8Array(allocatePages(into + length, false) as SharedArrayBuffer, into, length);
  memory.set(new SeededRandom(seed).bytes(length));
  return memory;
}

/** Adds them as f0, f1 and so on; what became of each, and which are held. */
async function start(contents: readonly Uint8Array[]) {
  const files = new SmallFiles(undefined, 0o600);
  const directory = await files.placeOf(join(folder, 'f0')).directory;
  const held = new Set<number>();
  const outcomes: string[] = [];
  for (const [index, bytes] of contents.entries()) {
    const hold = () => {
      held.add(index);
      return () => held.delete(index);
    };
    files.add(directory, `f${index}`, { chunks: [bytes], hold }, 1_000 * index, {
      path: join(folder, `f${index}`),
      done: () => {
        outcomes[index] = 'done';
      },
      failed: ({ code }) => {
        outcomes[index] = code;
      },
    });
  }
  return { files, held, outcomes };
}
const read = (index: number) => new Uint8Array(fs.readFileSync(join(folder, `f${index}`)));

/** Whether the file system here has files without a name, and takes what goes past the page cache. */
function canGoPast(): boolean {
  const nameless = 0o20_000_000;
  const { O_DIRECT, O_DIRECTORY, O_WRONLY } = fs.constants;
  try {
    fs.closeSync(fs.openSync(tmpdir(), O_WRONLY | O_DIRECTORY | nameless | O_DIRECT, 0o600));
    return true;
  } catch {
    return false;
  }
}
const hasFfi = loadFfi() !== undefined;

describe.runIf(hasFfi && canGoPast())('small files in memory that begins with a page', () => {
  it('are held until they are written past the page cache, the rest of a block too', async () => {
    const contents = [65_536, 65_537, 70_000, 20_479].map((length, index) => content(index, length));
    const { files, held, outcomes } = await start(contents);
    expect([...held]).toEqual([0, 1, 2, 3]);
    await files.settled();
    expect(held.size).toBe(0);
    expect(outcomes).toEqual(['done', 'done', 'done', 'done']);
    for (const [index, bytes] of contents.entries()) expect(read(index)).toEqual(new Uint8Array(bytes));
    expect(fs.statSync(join(folder, 'f2')).mtimeMs).toBe(2_000);
    await files.close();
  });

  it('are written at once when they are tiny, or begin elsewhere in a page', async () => {
    const contents = [content(1, 4_096), content(2, 0), content(3, 65_536, 512), new SeededRandom(4).bytes(65_536)];
    const { files, held, outcomes } = await start(contents);
    expect(held.size).toBe(0);
    await files.settled();
    expect(outcomes).toEqual(['done', 'done', 'done', 'done']);
    for (const [index, bytes] of contents.entries()) expect(read(index)).toEqual(new Uint8Array(bytes));
    await files.close();
  });

  it('go through the page cache where the disk does not keep up', async () => {
    const contents = Array.from({ length: 300 }, (_, index) => content(index, 32_768 + index));
    const { files, held, outcomes } = await start(contents);
    expect(held.size).toBeGreaterThan(0);
    expect(held.size).toBeLessThan(300);
    await files.settled();
    expect(outcomes).toEqual(contents.map(() => 'done'));
    for (const [index, bytes] of contents.entries()) expect(read(index)).toEqual(new Uint8Array(bytes));
    await files.close();
    expect(fs.readdirSync(folder)).toHaveLength(300);
  });

  it('that are forgotten meanwhile leave nothing', async () => {
    const { files, held, outcomes } = await start([content(1, 65_536), content(2, 65_536)]);
    files.discard();
    await files.settled();
    await files.close();
    expect([held.size, outcomes]).toEqual([0, ['internal/aborted', 'internal/aborted']]);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe('the memory of answers', () => {
  it('begins with pages for as many as are in use at most, and is used again', () => {
    const buffers = new AnswerBuffers();
    const taken = Array.from({ length: 60 }, () => buffers.take());
    expect(taken.map(({ length }) => length)).toEqual(taken.map(() => usualBuffer));
    const paged = taken.filter((each) => directLength(each.subarray(startOfAnswer(250) + 250)) > 0);
    expect(paged.length).toBeGreaterThan(20);
    expect(paged.length).toBeLessThan(60);
    for (const each of taken) buffers.giveBack(each);
    buffers.giveBack(new Uint8Array(usualBuffer + 1));
    expect(new Set(Array.from({ length: 60 }, () => buffers.take()))).toEqual(new Set(taken));
  });
});

describe.runIf(hasFfi)('syncing file systems', () => {
  it.each([
    ['here, where there is little to write', { now: () => 0, dirty: () => 0 }],
    ['on a thread, where there is much', { now: () => 0, dirty: () => 1e9 }],
  ])('is done %s', async (_, place) => {
    const system = openFileSystemCalls(place);
    expect(system).toBeDefined();
    const directory = fs.openSync(folder, 'r');
    await system?.syncFileSystems([directory]);
    fs.closeSync(directory);
    await expect(system?.syncFileSystems([directory])).rejects.toMatchObject({ code: 'EBADF' });
    system?.close();
  });

  it('moves to a thread when it takes long', async () => {
    let [now, step, asked] = [0, 15, 0];
    const place = {
      now() {
        now += step;
        return now;
      },
      dirty() {
        asked++;
        return 0;
      },
    };
    const system = openFileSystemCalls(place);
    const directory = fs.openSync(folder, 'r');
    await system?.syncFileSystems([directory]);
    step = 30;
    await system?.syncFileSystems([directory]);
    expect(asked).toBe(2);
    await system?.syncFileSystems([directory]);
    expect(asked).toBe(2);
    fs.closeSync(directory);
    system?.close();
  });

  it('gives names to open files, and takes none from others', () => {
    const system = openFileSystemCalls();
    const file = fs.openSync(folder, 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_WRONLY, 0o600);
    fs.writeSync(file, 'content');
    expect(system?.link(file, join(folder, 'name'))).toBe(0);
    expect(system?.link(file, join(folder, 'name'))).toBe(-1);
    fs.closeSync(file);
    expect(fs.readFileSync(join(folder, 'name'), 'utf8')).toBe('content');
    system?.close();
  });
});

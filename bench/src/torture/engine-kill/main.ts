import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundle } from '@carmine/repo-tools/bundle';
import { SeededRandom } from '@carmine/testkit';
import { exitOf } from '@carmine/testkit/node';
import { decodeJournal } from '@carmine/transfer';
import { build } from 'tsup';
import { median } from '../../statistics.ts';
import { SlowOrigin } from './origin.ts';

/** What `npm run torture -- kill --engine` found. */
export interface EngineKillReport {
  readonly schema: 'carmine.torture-engine-kill/1';
  readonly seed: number;
  readonly kills: number;
  /** Kills that found a part of the file. */
  readonly killsInTransfer: number;
  /** Kills that found the file under its final name. */
  readonly killsInFinish: number;
  readonly transfers: number;
  /** Bytes of journalled parts, or of files under their final name, that are not the source's. */
  readonly wrongBytes: number;
  /** Kills after which less was journalled than the process had reported. */
  readonly lost: number;
  /** Bytes that a later process asked for although they were journalled. */
  readonly askedAgain: number;
  /** Per kill in a transfer, in checkpoints for each connection: bytes on disk that were not in the journal. */
  readonly fetchedTwice: { readonly median: number; readonly maximum: number };
  readonly failures: readonly string[];
  readonly seconds: number;
}

/**
 * Kills a process that does nothing but `download()`, at random moments, several at a time; starts it again until the file
 * is there. Files, checkpoints, connections and validators are as random, and whether it syncs.
 */
export async function tortureEngineKill(
  count: number,
  seed: number,
  say: (text: string) => void,
): Promise<EngineKillReport> {
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'carmine-engine-kill-'));
  const random = new SeededRandom(seed);
  const origin = await SlowOrigin.start(() => random.below(5));
  const memory = await mkdtemp('/dev/shm/carmine-engine-kill-').catch(() => undefined);
  const run = new Run([folder, memory ?? folder], await bundleFetch(folder), origin, count, say);
  try {
    await Promise.all(Array.from({ length: parallel }, (_, slot) => run.slot(slot, new SeededRandom(seed + slot + 1))));
    return {
      schema: 'carmine.torture-engine-kill/1',
      seed,
      ...run.counts,
      fetchedTwice: { median: median(run.fetchedTwice), maximum: Math.max(0, ...run.fetchedTwice) },
      failures: run.failures,
      seconds: Math.round((performance.now() - began) / 1000),
    };
  } finally {
    await origin.close();
    for (const each of [folder, memory]) if (each !== undefined) await rm(each, { recursive: true, force: true });
  }
}

interface Plan {
  readonly folder: string;
  /** On the origin. */
  readonly path: string;
  readonly content: Buffer;
  readonly checkpointBytes: number;
  readonly connections: number;
  readonly options: object;
}

class Run {
  readonly counts = {
    kills: 0,
    killsInTransfer: 0,
    killsInFinish: 0,
    transfers: 0,
    wrongBytes: 0,
    lost: 0,
    askedAgain: 0,
  };
  readonly fetchedTwice: number[] = [];
  readonly failures: string[] = [];
  /** A disk, and memory where there is such a file system. */
  readonly #folders: readonly [disk: string, memory: string];
  readonly #program: string;
  readonly #origin: SlowOrigin;
  readonly #count: number;
  readonly #say: (text: string) => void;

  constructor(
    folders: readonly [disk: string, memory: string],
    program: string,
    origin: SlowOrigin,
    count: number,
    say: (text: string) => void,
  ) {
    this.#folders = folders;
    this.#program = program;
    this.#origin = origin;
    this.#count = count;
    this.#say = say;
  }

  /** One transfer after the other until enough was killed. */
  async slot(slot: number, random: SeededRandom): Promise<void> {
    for (let index = 0; this.counts.kills < this.#count && this.failures.length < 20; index++) {
      await this.#transfer(
        await this.#plan(`/${slot}-${index}`, join(this.#folders[slot % 2] ?? '', `slot-${slot}`), random),
        random,
      );
    }
  }

  async #plan(path: string, folder: string, random: SeededRandom): Promise<Plan> {
    await mkdir(folder);
    const content = Buffer.allocUnsafe(mib + random.below(39 * mib));
    randomFillSync(content);
    // Smaller ones may be passed by what a receive buffer holds.
    const checkpointBytes = (4_608 + random.below(4_096)) * 1024;
    const connections = 1 + random.below(4);
    const etag = { etag: `"${path}"` };
    const modified = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
    const digest = () => ({
      'repr-digest': `sha-256=:${createHash('sha256').update(content).digest('base64')}:`,
    });
    const fields = [etag, modified, { ...etag, ...modified }, { ...etag, ...digest() }][random.below(4)] ?? etag;
    this.#origin.files.set(path, { content, fields });
    const options = {
      temporaryName: 'BIT0123456789ABCDEF.tmp',
      roots: [folder],
      checkpointBytes,
      connections,
      pieceBytes: (512 + random.below(4_096)) * 1024,
      checkpointTime: 20 + random.below(1_000),
      computeSha256: random.below(3) === 0,
    };
    return { folder, path, content, checkpointBytes, connections, options };
  }

  async #transfer(plan: Plan, random: SeededRandom): Promise<void> {
    for (;;) {
      this.#origin.sent.set(plan.path, []);
      const killed = await this.#process(plan, random);
      if (!killed) break;
      if (this.failures.length > 0) break;
    }
    this.#origin.files.delete(plan.path);
    this.#origin.sent.delete(plan.path);
    await rm(plan.folder, { recursive: true, force: true });
  }

  /** One process; true when it was killed, false when it came to its end. */
  async #process(plan: Plan, random: SeededRandom): Promise<boolean> {
    const { folder, path, content } = plan;
    // Without its file a journal says nothing: then the process was killed when the file already had its name.
    const there = (await readdir(folder)).includes(temporary);
    const journalled = there ? await this.#journalled(folder) : [];
    // One may go on with what another has not synced.
    const options = { ...plan.options, durable: random.below(3) > 0 };
    const args = [this.#program, `${this.#origin.url}${path}`, join(folder, 'file'), JSON.stringify(options)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const reported = follow(child);
    const over = exitOf(child);
    await Promise.race([over, this.#moment(reported, content.length, random)]);
    child.kill('SIGKILL');
    const code = await over;
    this.#check(plan, journalled, reported.last());
    if (code === null) {
      await this.#afterKill(plan, reported.last());
      return true;
    }
    if (code !== 0) this.failures.push(`${path}: exit code ${code}: ${reported.errors().slice(0, 500)}`);
    const names = await readdir(folder);
    if (names.join() !== 'file') this.failures.push(`${path}: left ${names.join(', ')}`);
    const file = await readFile(join(folder, 'file'));
    const wrong = differing(file, content, 0, content.length);
    this.counts.wrongBytes += wrong;
    if (wrong > 0) {
      this.failures.push(
        `${path}: ${wrong} wrong bytes, ${where(file, content)} of ${content.length}, ${JSON.stringify(this.#origin.sent.get(path))}, ${JSON.stringify(journalled)}, ${JSON.stringify(plan.options)}`,
      );
    }
    this.counts.transfers++;
    return false;
  }

  /** Mostly somewhere in the transfer, by what was reported; now and then any moment from the start of the process. */
  async #moment(reported: Reported, size: number, random: SeededRandom): Promise<void> {
    if (random.below(4) === 0) {
      await sleep(random.below(400));
      return;
    }
    await reported.first;
    const target = reported.last() + random.fraction() * (size - reported.last()) * 1.1;
    while (reported.last() < Math.min(target, size)) await sleep(1);
    await sleep(random.below(random.below(2) === 0 ? 4 : 30));
  }

  /** Nothing that was journalled may be asked for again. */
  #check({ path }: Plan, journalled: readonly { start: number; end: number }[], last: number): void {
    let again = 0;
    for (const asked of this.#origin.sent.get(path) ?? []) {
      for (const { start, end } of journalled)
        again += Math.max(0, Math.min(end, asked.end) - Math.max(start, asked.start));
    }
    this.counts.askedAgain += again;
    if (again > 0) this.failures.push(`${path}: ${again} journalled bytes were asked for again (${last} reported)`);
  }

  async #afterKill(plan: Plan, reported: number): Promise<void> {
    const { folder, path, content, checkpointBytes, connections } = plan;
    this.counts.kills++;
    if (this.counts.kills % 250 === 0) {
      const { kills, transfers, wrongBytes } = this.counts;
      this.#say(`${kills} of ${this.#count} kills, ${transfers} transfers, ${wrongBytes} wrong bytes`);
    }
    const names = await readdir(folder);
    if (names.includes('file')) {
      this.counts.killsInFinish++;
      const wrong = differing(await readFile(join(folder, 'file')), content, 0, content.length);
      this.counts.wrongBytes += wrong;
      if (wrong > 0) this.failures.push(`${path}: ${wrong} wrong bytes under the final name`);
      // For `download` this file is a new one; what is left must not confuse it.
      return;
    }
    const done = await this.#journalled(folder);
    const total = done.reduce((sum, { start, end }) => sum + end - start, 0);
    if (total < reported) {
      this.counts.lost++;
      this.failures.push(`${path}: ${reported} bytes were reported, ${total} are journalled`);
    }
    if (!names.includes(temporary)) return;
    const written = await readFile(join(folder, temporary));
    let [wrong, at, twice] = [0, 0, 0];
    for (const { start, end } of done) {
      wrong += differing(written, content, start, end);
      twice += start - at - differing(written, content, at, start);
      at = end;
    }
    twice +=
      Math.max(0, Math.min(written.length, content.length) - at) -
      differing(written, content, at, Math.min(written.length, content.length));
    this.counts.wrongBytes += wrong;
    if (wrong > 0) this.failures.push(`${path}: ${wrong} journalled bytes are wrong`);
    await spoilGaps(join(folder, temporary), done, written.length);
    if (total === content.length) return;
    this.counts.killsInTransfer++;
    this.fetchedTwice.push(twice / (checkpointBytes * connections));
    if (twice > checkpointBytes * connections) {
      this.failures.push(`${path}: ${twice} bytes lost, ${connections} checkpoints of ${checkpointBytes} allowed`);
    }
  }

  async #journalled(folder: string): Promise<readonly { start: number; end: number }[]> {
    const bytes = await readFile(join(folder, `${temporary}.journal`)).catch(() => undefined);
    return bytes === undefined ? [] : (decodeJournal(bytes).state?.done.extents ?? []);
  }
}

export interface Reported {
  readonly first: Promise<void>;
  last(): number;
  errors(): string;
}

export function follow(child: ChildProcess): Reported {
  let [last, text, errors] = [0, '', ''];
  const first = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) last = Number(line);
      resolve();
    });
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  return { first, last: () => last, errors: () => errors };
}

/** The runs of bytes that differ. */
function where(file: Buffer, content: Buffer): string {
  const runs: { start: number; end: number; bytes: string }[] = [];
  for (let at = 0; at < content.length; at++) {
    if (file[at] === content[at]) continue;
    const last = runs.at(-1);
    if (last !== undefined && at - last.end < 16) last.end = at + 1;
    else runs.push({ start: at, end: at + 1, bytes: file.subarray(at, at + 4).toString('hex') });
  }
  return runs
    .slice(0, 10)
    .map(({ start, end, bytes }) => {
      const origin = content.indexOf(file.subarray(start, start + 64));
      return `${start} to ${end} (${bytes}…, which belongs at ${origin})`;
    })
    .join(', ');
}

/**
 * What is not journalled is nobody's: it may be anything after a crash. Garbage there also keeps what was lost in one kill
 * from being counted in the next.
 */
async function spoilGaps(path: string, done: readonly { start: number; end: number }[], size: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    let at = 0;
    for (const { start, end } of [...done, { start: size, end: size }]) {
      if (start > at) await file.write(Buffer.alloc(start - at, 0xa5), 0, start - at, at);
      at = end;
    }
  } finally {
    await file.close();
  }
}

/** How many bytes of a range differ, a missing end included. */
function differing(a: Buffer, b: Buffer, start: number, end: number): number {
  if (a.subarray(start, end).equals(b.subarray(start, end))) return 0;
  let count = 0;
  for (let at = start; at < end; at += block) {
    const to = Math.min(end, at + block);
    if (a.subarray(at, to).equals(b.subarray(at, to))) continue;
    for (let byte = at; byte < to; byte++) if (a[byte] !== b[byte]) count++;
  }
  return count;
}

/** As it ships: one file. */
export async function bundleFetch(folder: string): Promise<string> {
  const entry = fileURLToPath(new URL('fetch.ts', import.meta.url));
  await build({ ...bundle, entry: { fetch: entry }, outDir: folder, config: false, silent: true, clean: false });
  return join(folder, 'fetch.js');
}

const mib = 1024 * 1024;
const block = 16 * 1024;
const temporary = 'BIT0123456789ABCDEF.tmp';
const parallel = 4;

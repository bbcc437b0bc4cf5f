import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { bundle } from '@carmine/repo-tools/bundle';
import { SeededRandom } from '@carmine/testkit';
import { exitOf } from '@carmine/testkit/node';
import { build } from 'tsup';

/** What `npm run torture -- kill --small` found. */
export interface SmallKillReport {
  readonly schema: 'carmine.torture-small-kill/1';
  readonly seed: number;
  readonly kills: number;
  /** Kills that found some of the files there, and not all. */
  readonly killsInTransfer: number;
  /** Kills that found some of the files under their names, and not all. */
  readonly killsInComplete: number;
  readonly jobs: number;
  readonly files: number;
  /** Files under a final name, or that the store has as transferred, that are not the source's. */
  readonly wrongFiles: number;
  /** Files that were told to be there, and are not in the store. */
  readonly lost: number;
  readonly failures: readonly string[];
  readonly seconds: number;
}

/** Kills a process with the job engine and a job of many files, small ones mostly, at random moments; starts it again until the job is completed. */
export async function tortureSmallKill(
  count: number,
  seed: number,
  say: (text: string) => void,
): Promise<SmallKillReport> {
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'carmine-small-kill-'));
  const random = new SeededRandom(seed);
  const run = new Run(folder, random);
  try {
    await run.open();
    while (run.counts.kills < count && run.failures.length < 20) {
      await run.job();
      say(`${run.counts.kills} of ${count} kills, ${run.counts.jobs} jobs, ${run.counts.wrongFiles} wrong files`);
    }
    const seconds = Math.round((performance.now() - began) / 1_000);
    return { schema: 'carmine.torture-small-kill/1', seed, ...run.counts, failures: run.failures, seconds };
  } finally {
    await run.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class Run {
  readonly counts = { kills: 0, killsInTransfer: 0, killsInComplete: 0, jobs: 0, files: 0, wrongFiles: 0, lost: 0 };
  readonly failures: string[] = [];
  readonly #folder: string;
  readonly #random: SeededRandom;
  readonly #server = createServer((request, response) => {
    const content = this.#contents[Number(request.url?.slice(1))];
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [start, end] = match === null ? [0, content.length] : [Number(match[1]), Number(match[2]) + 1];
    const range = match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.length}` };
    const head = { etag: `"${request.url}"`, 'content-length': end - start, ...range };
    setTimeout(() => {
      response.writeHead(match === null ? 200 : 206, head);
      response.end(request.method === 'HEAD' ? undefined : content.subarray(start, end));
    }, this.#random.below(4));
  });
  #contents: Uint8Array[] = [];
  #program = '';

  constructor(folder: string, random: SeededRandom) {
    this.#folder = folder;
    this.#random = random;
  }

  async open(): Promise<void> {
    const entry = fileURLToPath(new URL('agent.ts', import.meta.url));
    const options = { outDir: this.#folder, config: false, silent: true, clean: false } as const;
    await build({ ...bundle, entry: { agent: entry }, ...options });
    this.#program = join(this.#folder, 'agent.js');
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** One job, killed until it is done. */
  async job(): Promise<void> {
    const random = this.#random;
    const length = () => [0, random.below(1_000), random.below(100_000), random.below(300_000)][random.below(4)] ?? 0;
    this.#contents = Array.from({ length: 20 + random.below(200) }, () =>
      // One in fifty is not small.
      random.bytes(random.below(50) === 0 ? 1_100_000 + random.below(2_000_000) : length()),
    );
    const place = join(this.#folder, `job-${this.counts.jobs}`);
    await mkdir(join(place, 'inbox'), { recursive: true });
    while (this.failures.length < 20 && !(await this.#process(place))) this.counts.kills++;
    const names = await readdir(join(place, 'inbox'));
    if (names.length !== this.#contents.length) this.failures.push(`${names.length} of ${this.#contents.length} files`);
    this.counts.jobs++;
    this.counts.files += this.#contents.length;
    await rm(place, { recursive: true, force: true });
  }

  /** True when the process came to its end. */
  async #process(place: string): Promise<boolean> {
    const origin = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    const args = [this.#program, place, origin, `${this.#contents.length}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let told: readonly number[] = [];
    let text = '';
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = `${text}${chunk}`.split('\n');
      text = lines.pop() ?? '';
      const line = lines.at(-1);
      if (line !== undefined) told = JSON.parse(line) as number[];
    });
    const over = exitOf(child);
    let ended = false;
    void over.then(() => {
      ended = true;
    });
    await Promise.race([over, this.#moment(() => (ended ? Number.POSITIVE_INFINITY : told.length))]);
    child.kill('SIGKILL');
    const code = await over;
    if (code !== null && code !== 0) this.failures.push(`exit code ${code}`);
    await this.#check(place, told, code === 0);
    return code !== null;
  }

  /** Any moment, or soon after a number of files was told of; often when all are, which is when they get their names. */
  async #moment(told: () => number): Promise<void> {
    const kind = this.#random.below(3);
    if (kind === 0) {
      await sleep(this.#random.below(1_500));
      return;
    }
    const wanted = kind === 1 ? 1 + this.#random.below(this.#contents.length) : this.#contents.length;
    while (told() < wanted) await sleep(1);
    await sleep(this.#random.below(30));
  }

  /** What the store says is there is there, under one name or the other, and nothing else has a name. */
  async #check(place: string, told: readonly number[], done: boolean): Promise<void> {
    const inbox = join(place, 'inbox');
    const isRight = (path: string, index: number) =>
      existsSync(path) && readFileSync(path).equals(this.#contents[index] ?? new Uint8Array(0));
    let named = 0;
    for (const index of this.#contents.keys()) {
      const path = join(inbox, `${index}`);
      if (!existsSync(path)) continue;
      named++;
      if (!isRight(path, index)) this.#wrong(`${index} has its name and is wrong`);
    }
    if (done) {
      if (named !== this.#contents.length) this.failures.push(`completed with ${named} names`);
      return;
    }
    if (!existsSync(join(place, 'state', 'jobs.sqlite'))) return;
    const store = openSqliteJobStore({ stateDirectory: join(place, 'state') });
    const [job] = await store.load();
    await store.close();
    const there = new Set<number>();
    for (const [index, file] of (job?.files ?? []).entries()) {
      if (!file.transferred) continue;
      there.add(index);
      if (isRight(join(inbox, file.temporaryName), index) || isRight(join(inbox, `${index}`), index)) continue;
      this.#wrong(`${index} is transferred, says the store, and is not there or wrong`);
    }
    // Once it is completed it is listed no more.
    const lost = job === undefined ? [] : told.filter((index) => !there.has(index));
    this.counts.lost += lost.length;
    if (lost.length > 0) this.failures.push(`told and not in the store: ${lost.join()}`);
    if (there.size > 0 && there.size < this.#contents.length) this.counts.killsInTransfer++;
    if (named > 0 && named < this.#contents.length) this.counts.killsInComplete++;
  }

  #wrong(what: string): void {
    this.counts.wrongFiles++;
    this.failures.push(what);
  }
}

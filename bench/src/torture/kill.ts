import { randomFillSync } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProxy, type MachineProxy } from '@carmine/cim';
import type { JobSnapshot } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { type AgentProcess, createSandbox, freePort, type Sandbox } from '@carmine/testkit/node';
import { decodeJournal, largestCheckpoint } from '@carmine/transfer';
import { createWsmanClient } from '@carmine/wsman/node';
import { median } from '../statistics.ts';

/** What `npm run torture -- kill` found. */
export interface KillReport {
  readonly schema: 'carmine.torture-kill/1';
  readonly seed: number;
  readonly kills: number;
  readonly transfers: number;
  readonly jobsEnded: number;
  /** Bytes of finished files, or of journalled parts at a kill, that are not the source's. */
  readonly wrongBytes: number;
  /** Kills that found a file half way; the others found the job not begun, or all there and not completed. */
  readonly killsInTransfer: number;
  /** Per kill in a transfer: bytes that were on disk and not in the journal, so that they are fetched again. */
  readonly bytesFetchedTwice: { readonly median: number; readonly maximum: number };
  /** What the promise allows: one checkpoint for each open segment, as large as that of a quick connection gets. */
  readonly allowedPerKill: number;
  readonly seconds: number;
}

interface Plan {
  readonly name: string;
  readonly size: number;
}

const mib = 1024 * 1024;
const connections = 4;

/**
 * Kills the client agent at random moments of transfers of 64 MiB to 1 GiB, also while it starts and while it completes,
 * until `count` kills are done; then lets the last transfer end. After each kill the files on disk are compared with the
 * source.
 */
export async function tortureKill(count: number, seed: number, say: (text: string) => void): Promise<KillReport> {
  const random = new SeededRandom(seed);
  const started = performance.now();
  const sandbox = await createSandbox({ section: { client: `connections = ${connections}` } });
  try {
    const plans = await makeSources(sandbox.images, random);
    const { group, close } = await publish(sandbox, plans);
    const run = new Run(sandbox, random, group, plans, say);
    while (run.kills < count) await run.transfer(count);
    await run.stop();
    await close();
    return {
      schema: 'carmine.torture-kill/1',
      seed,
      kills: run.kills,
      transfers: run.transfers,
      jobsEnded: run.jobsEnded,
      wrongBytes: run.wrongBytes,
      killsInTransfer: run.fetchedTwice.length,
      bytesFetchedTwice: { median: median(run.fetchedTwice), maximum: Math.max(0, ...run.fetchedTwice) },
      allowedPerKill: largestCheckpoint * connections,
      seconds: Math.round((performance.now() - started) / 1000),
    };
  } finally {
    await sandbox.close();
  }
}

class Run {
  kills = 0;
  transfers = 0;
  jobsEnded = 0;
  wrongBytes = 0;
  readonly fetchedTwice: number[] = [];
  readonly #sandbox: Sandbox;
  readonly #random: SeededRandom;
  readonly #group: string;
  readonly #plans: readonly Plan[];
  readonly #say: (text: string) => void;
  #agent: AgentProcess | undefined;

  constructor(
    sandbox: Sandbox,
    random: SeededRandom,
    group: string,
    plans: readonly Plan[],
    say: (text: string) => void,
  ) {
    this.#sandbox = sandbox;
    this.#random = random;
    this.#group = group;
    this.#plans = plans;
    this.#say = say;
  }

  /** One job, killed up to five times on its way, then let to its end. */
  async transfer(count: number): Promise<void> {
    const plan = this.#random.pick(this.#plans);
    const killsHere = Math.min(1 + this.#random.below(5), count - this.kills);
    const destination = join(this.#sandbox.inbox, `copy-${++this.transfers}`);
    await this.#ensureAgent();
    const jobId = await this.#withJobs((jobs) => this.#createJob(jobs, plan, destination));
    for (let kill = 0; kill < killsHere; kill++) {
      await this.#moment(jobId, plan);
      await this.#kill(plan);
      await this.#ensureAgent();
    }
    await this.#finish(jobId, plan, count);
    this.wrongBytes += await differingBytes(join(this.#sandbox.images, plan.name), destination, plan.size);
    await rm(destination);
    const left = await readdir(this.#sandbox.inbox);
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    this.#say(
      `transfer ${this.transfers}: ${Math.round(plan.size / mib)} MiB, ${this.kills} of ${count} kills, ${this.wrongBytes} wrong bytes`,
    );
  }

  /** A random moment: mostly one in the middle of the transfer, by what is there; now and then any other. */
  async #moment(jobId: string, plan: Plan): Promise<void> {
    if (this.#random.below(5) === 0) return sleep(this.#random.below(500));
    await this.#withJobs(async (jobs) => {
      const now = Number((await jobs.getJob(jobId)).bytesTransferred);
      const target = now + this.#random.fraction() * (plan.size - now);
      for (;;) {
        const job = await jobs.getJob(jobId);
        if (job.state === 'transferred' || Number(job.bytesTransferred) >= target) break;
      }
    });
    await sleep(this.#random.below(40));
  }

  async stop(): Promise<void> {
    await this.#agent?.kill('SIGTERM');
  }

  async #createJob(jobs: MachineProxy['jobs'], plan: Plan, destination: string): Promise<string> {
    const { user, password } = this.#sandbox;
    const remoteUrl = `${this.#group}${plan.name}`;
    const jobId = await jobs.createJob({ displayName: plan.name, remoteUrl, localFile: destination, suspend: true });
    await jobs.setCredentials(jobId, { target: 'server', scheme: 'ntlm', userName: user, password });
    await jobs.modifyJob(jobId, { priority: 'foreground', minimumRetryDelay: 5 });
    await jobs.setJobState(jobId, 'resume');
    return jobId;
  }

  async #kill(plan: Plan): Promise<void> {
    await this.#agent?.kill('SIGKILL');
    this.#agent = undefined;
    this.kills++;
    const { wrong, twice, unfinished } = await inspect(this.#sandbox.inbox, join(this.#sandbox.images, plan.name));
    this.wrongBytes += wrong;
    if (unfinished) this.fetchedTwice.push(twice);
  }

  async #ensureAgent(): Promise<void> {
    this.#agent ??= await this.#sandbox.client.start();
  }

  /** Watches the job to its end and completes it; now and then the agent is killed while it completes. */
  async #finish(jobId: string, plan: Plan, count: number): Promise<void> {
    const killWhileCompleting = this.kills < count && this.#random.below(4) === 0;
    await this.#withJobs((jobs) => this.#untilTransferred(jobs, jobId));
    if (killWhileCompleting) {
      const completing = this.#withJobs((jobs) => jobs.setJobState(jobId, 'complete')).catch(() => undefined);
      await sleep(this.#random.below(30));
      await this.#kill(plan);
      await completing;
      await this.#ensureAgent();
    }
    await this.#withJobs(async (jobs) => {
      try {
        await jobs.setJobState(jobId, 'complete');
      } catch (error) {
        // The killed agent had completed it already; its history must say so.
        if (!killWhileCompleting || !isCarmineError(error, 'job/not-found')) throw error;
      }
      for await (const ended of jobs.listEndedJobs())
        if (ended.jobId === jobId && ended.state === 'acknowledged') this.jobsEnded++;
    });
  }

  async #untilTransferred(jobs: MachineProxy['jobs'], jobId: string): Promise<void> {
    for (const end = performance.now() + 120_000; performance.now() < end; await sleep(50)) {
      const job: JobSnapshot = await jobs.getJob(jobId);
      if (job.state === 'error') throw new Error(`job in error: ${JSON.stringify(await jobs.getError(jobId, 0x0409))}`);
      if (job.state === 'transferred') return;
    }
    throw new Error(`job ${jobId} did not end in 120 s`);
  }

  async #withJobs<T>(work: (jobs: MachineProxy['jobs']) => Promise<T>): Promise<T> {
    const { user, password, client } = this.#sandbox;
    const wsman = createWsmanClient({ url: `wsman://127.0.0.1:${client.port}`, credentials: { user, password } });
    try {
      return await work(createProxy(wsman).jobs);
    } finally {
      await wsman.close();
    }
  }
}

/** Files of 64 MiB, 1 GiB, and two sizes between that are no multiple of anything. */
async function makeSources(folder: string, random: SeededRandom): Promise<Plan[]> {
  const between = () => 64 * mib + random.below(960 * mib);
  const sizes = [64 * mib, between(), between(), 1024 * mib];
  const chunk = Buffer.allocUnsafe(4 * mib);
  for (const [index, size] of sizes.entries()) {
    const file = await open(join(folder, `source-${index}`), 'w');
    for (let written = 0; written < size; written += chunk.length) {
      randomFillSync(chunk);
      await file.write(chunk, 0, Math.min(chunk.length, size - written));
    }
    await file.close();
  }
  return sizes.map((size, index) => ({ name: `source-${index}`, size }));
}

async function publish(
  sandbox: Sandbox,
  plans: readonly Plan[],
): Promise<{ group: string; close: () => Promise<void> }> {
  const server = await sandbox.server.start();
  const port = await freePort();
  const credentials = { user: sandbox.user, password: sandbox.password };
  const wsman = createWsmanClient({ url: `wsman://127.0.0.1:${sandbox.server.port}`, credentials });
  const { urlGroups } = createProxy(wsman);
  const group = `http://127.0.0.1:${port}/torture/`;
  await urlGroups.createUrlGroup(group);
  for (const { name } of plans) {
    await urlGroups.createUrl(group, { urlSuffix: name, sourceFilePath: join(sandbox.images, name), sddlAuth: '' });
  }
  await wsman.close();
  return { group, close: () => server.kill('SIGTERM') };
}

/**
 * Looks at what a killed agent left: journalled bytes must be the source's; bytes that are the source's and not journalled
 * were fetched and will be again.
 */
async function inspect(inbox: string, source: string): Promise<{ wrong: number; twice: number; unfinished: boolean }> {
  let [wrong, twice, unfinished] = [0, 0, false];
  const names = await readdir(inbox);
  for (const name of names.filter((each) => each.endsWith('.tmp'))) {
    const journal = names.find((each) => each !== name && each.startsWith(name));
    const state = journal === undefined ? undefined : decodeJournal(await readFile(join(inbox, journal))).state;
    const [actual, expected] = [await open(join(inbox, name)), await open(source)];
    try {
      const { size } = await actual.stat();
      unfinished ||= state === undefined || state.done.total < size;
      for (const { start, end } of state?.done.extents ?? [])
        wrong += end - start - (await equalBytes(actual, expected, start, end));
      for (const { start, end } of state?.done.gaps(size) ?? [{ start: 0, end: size }])
        twice += await equalBytes(actual, expected, start, end);
    } finally {
      await actual.close();
      await expected.close();
    }
  }
  return { wrong, twice, unfinished };
}

/** How many bytes of a range are equal, counted in blocks of 64 KiB. */
async function equalBytes(a: FileHandle, b: FileHandle, start: number, end: number): Promise<number> {
  const [left, right] = [Buffer.allocUnsafe(4 * mib), Buffer.allocUnsafe(4 * mib)];
  let equal = 0;
  for (let position = start; position < end; position += left.length) {
    const length = Math.min(left.length, end - position);
    const [first, second] = await Promise.all([a.read(left, 0, length, position), b.read(right, 0, length, position)]);
    const both = Math.min(first.bytesRead, second.bytesRead);
    for (let at = 0; at < both; at += block) {
      const to = Math.min(at + block, both);
      if (left.subarray(at, to).equals(right.subarray(at, to))) equal += to - at;
      else for (let byte = at; byte < to; byte++) if (left[byte] === right[byte] && left[byte] !== 0) equal++;
    }
  }
  return equal;
}

async function differingBytes(source: string, copy: string, size: number): Promise<number> {
  const [expected, actual] = [await open(source), await open(copy)];
  try {
    const { size: length } = await actual.stat();
    return Math.abs(length - size) + (size - (await equalBytes(actual, expected, 0, size)));
  } finally {
    await expected.close();
    await actual.close();
  }
}

const block = 64 * 1024;

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { type DownloadOptions, download } from '@carmine/transfer/node';
import { type Asked, fine, type Version } from './reply.ts';
import { type Script, Stage, type Wire } from './stage.ts';

/** How a file is replaced by another of the same size. */
export const swapKinds = {
  newEtag: 'new ETag and Last-Modified',
  etagOnly: 'new ETag, the same Last-Modified',
  dateOnly: 'no ETag, new Last-Modified',
  midResponse: 'while a response is under way',
  backends: 'two servers with a version each',
} as const;
export type SwapKind = keyof typeof swapKinds;

export interface SwapCounts {
  runs: number;
  /** Transfers that had bytes of the old version when the new one came. */
  swappedInside: number;
  oldFiles: number;
  newFiles: number;
  errors: number;
  mixedFiles: number;
}

/**
 * One transfer during which the file changes. With a random moment for that, a random number of connections, and in a third
 * of the runs an interruption, after which a second `download` goes on with what is there.
 */
export async function swapOnce(kind: SwapKind, seed: number, counts: SwapCounts, failures: string[]): Promise<void> {
  const random = new SeededRandom(seed);
  const length = 20_000 + random.below(100_000);
  const versions = makeVersions(kind, length, random);
  const swap = new Swap(kind, versions, random, length);
  const stage = await Stage.start({ script: swap.script, split: (size) => random.below(size + 1) });
  const folder = await mkdtemp(join(tmpdir(), 'carmine-swap-'));
  const path = join(folder, 'file');
  const options: DownloadOptions = {
    temporaryName: 'BIT0123456789ABCDEF.tmp',
    connections: 1 + random.below(4),
    pieceBytes: 4_096 + random.below(16_384),
    checkpointBytes: 4_096 + random.below(32_768),
    timeouts: { headers: 5_000, body: 5_000 },
    fast: random.below(4) > 0,
  };
  try {
    const interrupt = random.below(3) === 0 ? new AbortController() : undefined;
    if (interrupt !== undefined) swap.onHalf = () => interrupt.abort();
    let error = await attempt(stage.origin, path, { ...options, signal: interrupt?.signal });
    // What an error or an interruption left is gone on with, now that the server has one version.
    if (error !== undefined) {
      if (error.code !== 'internal/aborted') counts.errors++;
      swap.settle();
      error = await attempt(stage.origin, path, options);
      if (error !== undefined) error = await attempt(stage.origin, path, options);
    }
    counts.runs++;
    if (swap.inside) counts.swappedInside++;
    if (error !== undefined) {
      failures.push(`swap ${kind}, seed ${seed}: ${error.code} although the file changes no more: ${error.message}`);
      return;
    }
    const content = await readFile(path);
    if (content.equals(versions.old.content)) counts.oldFiles++;
    else if (content.equals(versions.new.content)) counts.newFiles++;
    else {
      counts.mixedFiles++;
      failures.push(`swap ${kind}, seed ${seed}: A MIXED FILE`);
    }
  } finally {
    await stage.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function attempt(origin: string, path: string, options: DownloadOptions): Promise<CarmineError | undefined> {
  try {
    await download(`${origin}/file`, path, options);
    return undefined;
  } catch (thrown) {
    return CarmineError.from(thrown);
  }
}

interface Versions {
  readonly old: Version;
  readonly new: Version;
}

function makeVersions(kind: SwapKind, length: number, random: SeededRandom): Versions {
  const make = (name: string, lastModified: string): Version => {
    const content = random.bytes(length);
    const digest = createHash('sha256').update(content).digest('base64');
    return {
      content,
      etag: kind === 'dateOnly' ? undefined : `"${name}"`,
      lastModified: kind === 'etagOnly' ? 'Thu, 01 Jan 2026 00:00:00 GMT' : lastModified,
      // A response whose rest is of another version can be told by a digest only.
      digest: kind === 'midResponse' ? digest : undefined,
    };
  };
  return { old: make('old', 'Thu, 01 Jan 2026 00:00:00 GMT'), new: make('new', 'Fri, 02 Jan 2026 00:00:00 GMT') };
}

/** A good server, but for the moment at which its file is another one. */
class Swap {
  onHalf: (() => void) | undefined;
  /** Bytes of the old version were sent before the new one came. */
  inside = false;
  readonly #kind: SwapKind;
  readonly #versions: Versions;
  readonly #random: SeededRandom;
  /** Bytes of content that the old version is there for. */
  readonly #until: number;
  readonly #half: number;
  #sent = 0;
  #settled = false;

  constructor(kind: SwapKind, versions: Versions, random: SeededRandom, length: number) {
    this.#kind = kind;
    this.#versions = versions;
    this.#random = random;
    this.#until = random.below(length);
    this.#half = random.below(length);
  }

  /** From now on there is one version for good. */
  settle(): void {
    this.#settled = true;
    this.#sent = Number.MAX_SAFE_INTEGER;
  }

  readonly script: Script = (asked, wire) => {
    const version = this.#current();
    const reply = fine(asked, version);
    const before = this.#sent;
    this.#sent += reply.body.length;
    if (before < this.#half && this.#sent >= this.#half) setImmediate(() => this.onHalf?.());
    const cut = this.#until - before;
    if (this.#kind === 'backends' || cut <= 0 || cut >= reply.body.length) {
      wire.send(reply.bytes);
      return;
    }
    this.inside = true;
    if (this.#kind === 'midResponse') this.#midway(asked, wire, reply.head, reply.body, cut);
    // A server that has the old file open goes on with it.
    else wire.send(reply.bytes);
  };

  #current(): Version {
    const { old, new: next } = this.#versions;
    if (this.#settled) return next;
    if (this.#kind !== 'backends') return this.#sent >= this.#until ? next : old;
    const picked = this.#random.below(2) === 0 ? old : next;
    this.inside ||= picked === next && this.#sent > 0;
    return picked;
  }

  /** What servers do whose file is replaced under them: cut the connection, go on with the old one, or with the new one. */
  #midway({ range }: Asked, wire: Wire, head: Uint8Array, body: Uint8Array, cut: number): void {
    const way = this.#random.below(3);
    if (way === 0) wire.send(head, body.subarray(0, cut)).cut();
    else if (way === 1) wire.send(head, body);
    else {
      const start = range?.start ?? 0;
      const rest = this.#versions.new.content.subarray(start + cut, start + body.length);
      wire.send(head, body.subarray(0, cut), rest);
    }
  }
}

import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { checkLocalPath } from './destination-path.ts';
import type { Disk, DiskDirectory, DiskFile } from './disk.ts';
import type { TransferPlatform } from './file-transfer.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory } from './receiver.ts';
import { readSource } from './response-rules.ts';
import type { Source } from './source.ts';
import type { TransferResult } from './transfer-progress.ts';

/** A file that may be small. */
export interface SmallFile {
  readonly url: string;
  readonly path: string;
  readonly temporaryName: string;
  readonly expectedSha256?: string | undefined;
  readonly computeSha256?: boolean | undefined;
}

export interface SmallSetPlatform extends Pick<TransferPlatform, 'clock'> {
  readonly disk: Disk;
  /** Lower-case hexadecimal. */
  sha256(chunks: readonly Uint8Array[]): string;
}

export interface SmallSetOptions {
  readonly files: readonly SmallFile[];
  readonly receivers: ReceiverFactory;
  readonly roots?: readonly string[] | undefined;
  /** At most; default 4. */
  readonly connections?: number | undefined;
  /** Something is answered. */
  readonly onHead?: (() => void) | undefined;
}

/** What came of a set, by the positions of its files. */
export interface SmallSetOutcome {
  /** Whole and durable, under the temporary name; undefined: nothing is known of it, and it is to be fetched alone. */
  readonly results: readonly (TransferResult | undefined)[];
  /** Something failed or took long. */
  readonly failed: boolean;
}

export interface SmallSet {
  /** Never rejects: what is wrong with a file shows when it is fetched alone. */
  readonly finished: Promise<SmallSetOutcome>;
  /** What is there already becomes durable, and nothing more comes. */
  stop(): void;
}

/** Bytes: what is held in memory whole. */
export const smallFile = 1024 * 1024;

/**
 * Fetches small files whole, several at a time and without a journal for each: all contents are written and made durable together, then their names, and
 * only then anybody is told. A crash before that costs what of them was there, up to 8 MiB. It only ever does what goes well; the first file that is
 * not small, or fails, ends it.
 */
export function createSmallSet(platform: SmallSetPlatform, options: SmallSetOptions): SmallSet {
  const run = new SetRun(platform, options);
  return { finished: run.run(), stop: () => run.stop() };
}

class SetRun {
  readonly #platform: SmallSetPlatform;
  readonly #options: SmallSetOptions;
  readonly #directories = new Map<string, Promise<DiskDirectory>>();
  readonly #written: {
    readonly index: number;
    readonly file: DiskFile;
    readonly path: string;
    readonly result: TransferResult;
  }[] = [];
  readonly #aborts = new Set<() => void>();
  readonly #workers: Promise<void>[] = [];
  #next = 0;
  #bytes = 0;
  #over = false;
  #failed = false;

  constructor(platform: SmallSetPlatform, options: SmallSetOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  async run(): Promise<SmallSetOutcome> {
    const { clock } = this.#platform;
    const timers = [
      clock.after(longestGroup, () => {
        this.#over = true;
      }),
      clock.after(longestFile, () => {
        this.#failed = true;
        this.stop();
      }),
    ];
    // Whether they are small the first one shows.
    this.#workers.push(this.#work());
    // Others are added meanwhile.
    for (let index = 0; index < this.#workers.length; index++) await this.#workers[index];
    for (const cancel of timers) cancel();
    const results = await this.#makeDurable();
    for (const opening of this.#directories.values()) await opening.then((each) => each.close()).catch(() => undefined);
    return { results, failed: this.#failed };
  }

  stop(): void {
    this.#over = true;
    for (const abort of this.#aborts) abort();
  }

  async #work(): Promise<void> {
    const { files, receivers, connections = 4 } = this.#options;
    let receiver: Receiver | undefined;
    let origin: string | undefined;
    try {
      while (!this.#over && this.#next < files.length) {
        const index = this.#next++;
        const file = files[index] as SmallFile;
        const next = new URL(file.url).origin;
        if (receiver === undefined || next !== origin) {
          receiver?.close();
          [receiver, origin] = [receivers(file.url), next];
        }
        const whole = await this.#get(file.url, receiver);
        if (whole === undefined) {
          this.#over = true;
          return;
        }
        try {
          this.#bytes += whole.source.length;
          if (this.#bytes >= groupBytes) this.#over = true;
          if (!this.#over && this.#workers.length < connections) this.#workers.push(this.#work());
          await this.#write(index, file, whole);
        } finally {
          whole.release();
        }
      }
    } catch {
      this.#failed = true;
      this.#over = true;
    } finally {
      receiver?.close();
    }
  }

  /** Undefined: it is not small. */
  #get(url: string, receiver: Receiver): Promise<Whole | undefined> {
    return new Promise((resolve, reject) => {
      let source: Source | undefined;
      let left = 0;
      const chunks: Uint8Array[] = [];
      const releases: (() => void)[] = [];
      const release = () => {
        for (const each of releases.splice(0)) each();
      };
      const settle = (work: () => void) => {
        this.#aborts.delete(abort);
        work();
      };
      const fail = (reason: unknown) =>
        settle(() => {
          release();
          reject(CarmineError.from(reason));
        });
      const abort = () => {
        exchange.abort();
        fail(new CarmineError('internal/aborted'));
      };
      const lost = () => new CarmineError('transfer/connection-lost', { context: { origin: new URL(url).origin } });
      this.#aborts.add(abort);
      const exchange: ReceiverExchange = receiver.request(
        { method: 'GET', url },
        {
          onHead: (head) => {
            this.#options.onHead?.();
            try {
              source = readSource(head);
              left = source.length;
              if (source.length <= smallFile) return;
              exchange.abort();
              settle(() => resolve(undefined));
            } catch (thrown) {
              exchange.abort();
              fail(thrown);
            }
          },
          onData: (chunk, done) => {
            left -= chunk.length;
            chunks.push(chunk);
            if (done !== undefined) releases.push(done);
            if (left >= 0) return;
            exchange.abort();
            fail(lost());
          },
          onEnd: () => {
            if (source === undefined || left !== 0) fail(lost());
            else settle(() => resolve({ source: source as Source, chunks, release }));
          },
          onError: fail,
        },
      );
    });
  }

  async #write(index: number, file: SmallFile, { source, chunks }: Whole): Promise<void> {
    const { directory: directoryPath, name } = checkLocalPath(file.path);
    let opening = this.#directories.get(directoryPath);
    if (opening === undefined) {
      opening = this.#platform.disk.openDirectory(directoryPath, this.#options.roots);
      this.#directories.set(directoryPath, opening);
    }
    const directory = await opening;
    // What a journal knows of is not to be touched; what is wrong with the name is said by who fetches it alone.
    const taken = await directory.kind(`${file.temporaryName}.journal`);
    if (taken !== undefined || (await directory.kind(name)) === 'directory') throw new CarmineError('internal/aborted');
    const result = { length: source.length, sha256: this.#digest(file, source, chunks) };
    const existing = await directory.open(file.temporaryName);
    const target = existing ?? (await directory.create(file.temporaryName));
    try {
      if (existing !== undefined) await existing.truncate(0);
      if (source.length > 0) await target.write(chunks, 0);
      await target.touch(privateMode, parseHttpDate(source.lastModified));
      this.#written.push({ index, file: target, path: directoryPath, result });
    } catch (thrown) {
      await target.close().catch(() => undefined);
      throw thrown;
    }
  }

  #digest(file: SmallFile, source: Source, chunks: readonly Uint8Array[]): string | undefined {
    const expected = [file.expectedSha256, source.digest].filter((digest) => digest !== undefined);
    if (expected.length === 0 && file.computeSha256 !== true) return undefined;
    const actual = this.#platform.sha256(chunks);
    const wrong = expected.find((digest) => digest !== actual);
    if (wrong === undefined) return actual;
    throw new CarmineError('transfer/digest-mismatch', { context: { actual, expected: wrong } });
  }

  /** Contents, then names; what cannot be made durable is not there. */
  async #makeDurable(): Promise<readonly (TransferResult | undefined)[]> {
    const results = new Array<TransferResult | undefined>(this.#options.files.length).fill(undefined);
    const synced = await Promise.all(
      this.#written.map(async ({ file }) => {
        try {
          await file.sync();
          return true;
        } catch {
          this.#failed = true;
          return false;
        } finally {
          await file.close().catch(() => undefined);
        }
      }),
    );
    for (const [path, opening] of this.#directories) {
      try {
        await (await opening).sync();
        for (const [position, { index, path: of, result }] of this.#written.entries()) {
          if (of === path && synced[position] === true) results[index] = result;
        }
      } catch {
        this.#failed = true;
      }
    }
    return results;
  }
}

interface Whole {
  readonly source: Source;
  readonly chunks: readonly Uint8Array[];
  /** The chunks are not needed any more. */
  release(): void;
}

const privateMode = 0o600;
/** Bytes: what a checkpoint of a large file is. */
const groupBytes = 8 * 1024 * 1024;
/** Milliseconds after which no other file is begun, and after which nothing is waited for. */
const longestGroup = 1_000;
const longestFile = 5_000;

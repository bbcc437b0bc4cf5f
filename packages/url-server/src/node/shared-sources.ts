import { statSync } from 'node:fs';
import { CarmineError } from '@carmine/errors';
import { type FileVersion, sameVersion } from '../validators.ts';
import { type OpenSource, type SourceFolder, toVersion } from './source-files.ts';

/** A source that several answers read from; each releases it once, when it is over. */
export interface SharedSource extends OpenSource {
  release(): void;
}

/** A source that was open already, for who reads at once and asks afterwards whether it still was the right one. */
export interface RecentSource extends SharedSource {
  /** Its path still leads to this very version: what was read before is of it. */
  isCurrent(): boolean;
}

/**
 * Sources that stay open for a moment, so that a client that fetches range after range does not open, and look for the
 * roots of, the same file each time. An open file is used again only within a second, and only while its path still leads
 * to that very version of it; rights and links are looked at anew after that.
 */
export class SharedSources {
  readonly #files: SourceFolder;
  readonly #open = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(files: SourceFolder) {
    this.#files = files;
  }

  async acquire(path: string): Promise<SharedSource> {
    const kept = this.#open.get(path);
    if (kept !== undefined) {
      if (kept.until > performance.now() && kept.isCurrent()) return kept.use();
      this.#forget(path, kept);
    }
    const entry = new Entry(path, await this.#openSettled(path));
    // Two that open the same at the same time: the last one stays.
    const other = this.#open.get(path);
    if (other !== undefined) this.#forget(path, other);
    this.#open.set(path, entry);
    this.#timer ??= setInterval(() => this.#sweep(), lifetime).unref();
    return entry.use();
  }

  /** Without a look at the file, for this turn of the event loop; to be released as often as it is asked for. Undefined when it was not open. */
  recent(path: string): RecentSource | undefined {
    const kept = this.#open.get(path);
    return kept === undefined || kept.until <= performance.now() ? undefined : kept.use();
  }

  /** Closes what nobody uses; the rest goes with its last user. */
  close(): void {
    for (const [path, entry] of this.#open) this.#forget(path, entry);
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * While a write goes on the file's times stand still: who opens it then sees half of the write, and nothing that tells so
   * afterwards. So a file that has just changed is opened once it has rested; one that never rests throws `file/io`.
   */
  async #openSettled(path: string): Promise<OpenSource> {
    for (let left = settleAttempts; ; left--) {
      const source = await this.#files.open(path);
      if (isSettled(source.version)) return source;
      await source.file.close();
      if (left === 0)
        throw new CarmineError('file/io', { context: { path: 'the source', reason: 'it does not stop changing' } });
      await new Promise((resolve) => setTimeout(resolve, settleTime / 2));
    }
  }

  #sweep(): void {
    const now = performance.now();
    for (const [path, entry] of this.#open) if (entry.until <= now) this.#forget(path, entry);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forget(path: string, entry: Entry): void {
    this.#open.delete(path);
    entry.forget();
  }
}

/** One open source; closed when it is forgotten and nobody uses it. */
class Entry implements RecentSource {
  readonly file: OpenSource['file'];
  readonly version: FileVersion;
  /** Milliseconds of the monotonic clock. */
  readonly until = performance.now() + lifetime;
  readonly #path: string;
  #users = 0;
  #forgotten = false;

  constructor(path: string, { file, version }: OpenSource) {
    this.#path = path;
    this.file = file;
    this.version = version;
  }

  use(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
    this.#closeIfUnused();
  }

  forget(): void {
    this.#forgotten = true;
    this.#closeIfUnused();
  }

  /** Asked without a detour through the thread pool: the path was walked a moment ago. */
  isCurrent(): boolean {
    try {
      return sameVersion(toVersion(statSync(this.#path, { bigint: true })), this.version);
    } catch {
      return false;
    }
  }

  #closeIfUnused(): void {
    if (this.#forgotten && this.#users === 0) this.file.close().catch(() => {});
  }
}

/** A change from the future is another clock's, and tells nothing. */
function isSettled({ changed }: FileVersion): boolean {
  const age = Date.now() - Number(changed / 1_000_000n);
  return age >= settleTime || age < -clockDifference;
}

/** Milliseconds. */
const lifetime = 1000;
const settleTime = 100;
const settleAttempts = 20;
const clockDifference = 1000;

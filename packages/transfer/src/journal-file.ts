import { CarmineError } from '@carmine/errors';
import type { DiskDirectory, DiskFile } from './disk.ts';
import { type Extent, ExtentSet } from './extents.ts';
import {
  decodeJournal,
  encodeExtents,
  encodeFinishing,
  encodeHeader,
  encodeJournal,
  encodeText,
  type JournalState,
  journalMagic,
} from './journal.ts';
import type { Source } from './source.ts';

/** What journals hold good. */
export interface JournalTrust {
  /** Which start of the system this is. */
  readonly boot: string;
  /** Whether what is done now is synced; if not, it holds for this start of the system. */
  readonly synced: boolean;
}

/** A journal on a disk. Each method returns when what it did is durable (as far as the disk syncs); after one failed, the journal is not used again. */
export class JournalFile {
  readonly #directory: DiskDirectory;
  readonly #name: string;
  readonly #trust: JournalTrust;
  #file: DiskFile;
  #length = 0;
  #records = 0;
  #state: JournalState | undefined;
  /** Makes a new one durable; undefined when it was there before. */
  #creation: (() => Promise<void>) | undefined;
  #created: Promise<void> | undefined;

  private constructor(directory: DiskDirectory, name: string, file: DiskFile, trust: JournalTrust) {
    this.#directory = directory;
    this.#name = name;
    this.#file = file;
    this.#trust = trust;
  }

  /** Opens the journal, or creates an empty one, which is durable once `create` or anything else has been done with it; cuts off a torn tail. */
  static async open(directory: DiskDirectory, name: string, trust: JournalTrust): Promise<JournalFile> {
    // What a crash in the middle of a compaction left.
    await directory.remove(replacement(name));
    const existing = await directory.open(name);
    const file = existing ?? (await directory.create(name));
    const journal = new JournalFile(directory, name, file, trust);
    try {
      if (existing === undefined) journal.#creation = () => journal.#writeMagic();
      else await journal.#load();
      return journal;
    } catch (thrown) {
      await journal.close().catch(() => undefined);
      throw thrown;
    }
  }

  /** Reads without changing anything; undefined when there is no usable journal. */
  static async peek(directory: DiskDirectory, name: string, boot: string): Promise<JournalState | undefined> {
    const file = await directory.open(name);
    if (file === undefined) return undefined;
    try {
      const { state } = decodeJournal(await readAll(file));
      return isVoid(state, boot) ? undefined : state;
    } finally {
      await file.close();
    }
  }

  /** There was none: nothing is known of the file. */
  get isNew(): boolean {
    return this.#creation !== undefined;
  }

  /** A new journal becomes durable, and with it everything else that was created in its directory before. */
  async create(): Promise<void> {
    this.#created ??= this.#creation?.();
    await this.#created;
  }

  get state(): JournalState | undefined {
    return this.#state;
  }

  /** Begins a new version: everything before is void. */
  async begin(url: string, source: Source): Promise<void> {
    const { boot, synced } = this.#trust;
    const tied = synced ? undefined : boot;
    await this.#append(encodeHeader(url, source, tied), tied === undefined ? 1 : 2);
    this.#state = { url, source, done: new ExtentSet(), boot: tied };
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.create();
    await this.#file.truncate(0);
    await this.#file.write([journalMagic], 0);
    await this.#file.sync();
    this.#length = journalMagic.length;
    this.#records = 0;
    this.#state = undefined;
  }

  /** The bytes of these extents are durable already. */
  async add(extents: readonly Extent[]): Promise<void> {
    const state = this.#current();
    await this.#append(encodeExtents(extents), extents.length);
    for (const extent of extents) state.done.add(extent);
    if (this.#records > compactAbove) await this.#compact();
  }

  /** What is there belongs to this URL and version from now on; what was said of digests does not count any more. */
  async adopt(url: string, source: Source): Promise<void> {
    const { done, boot } = this.#current();
    this.#state = { url, source, done, boot };
    await this.#compact();
  }

  /** These parts are not there any more. */
  async forget(extents: readonly Extent[]): Promise<void> {
    const { url, source, done, boot } = this.#current();
    this.#state = { url, source, done: done.without(extents), boot };
    await this.#compact();
  }

  /** Everything that it says of the file is synced by now: it outlives the power. */
  async noteSynced(): Promise<void> {
    this.#state = { ...this.#current(), boot: undefined };
    await this.#compact();
  }

  async noteDigest(sha256: string): Promise<void> {
    const state = this.#current();
    await this.#append(encodeText('digest', sha256), 1);
    this.#state = { ...state, source: { ...state.source, digest: sha256 } };
  }

  async noteVerified(sha256: string): Promise<void> {
    const state = this.#current();
    await this.#append(encodeText('verified', sha256), 1);
    this.#state = { ...state, verified: sha256 };
  }

  async noteFinishing(): Promise<void> {
    const state = this.#current();
    await this.#append(encodeFinishing(), 1);
    this.#state = { ...state, finishing: true };
  }

  async close(): Promise<void> {
    await this.#created?.catch(() => undefined);
    await this.#file.close();
  }

  async #writeMagic(): Promise<void> {
    await this.#file.write([journalMagic], 0);
    await this.#file.sync();
    await this.#directory.sync();
    this.#length = journalMagic.length;
  }

  async #load(): Promise<void> {
    const bytes = await readAll(this.#file);
    const { state, validLength, records } = decodeJournal(bytes);
    this.#length = validLength;
    this.#records = records;
    this.#state = state;
    const { boot, synced } = this.#trust;
    if (state === undefined || isVoid(state, boot)) {
      await this.clear();
      // Who created it may have come no further than that.
      await this.#directory.sync();
      return;
    }
    if (validLength < bytes.length) {
      await this.#file.truncate(validLength);
      await this.#file.sync();
    }
    if (!synced && state.boot === undefined) {
      await this.#append(encodeText('boot', boot), 1);
      this.#state = { ...state, boot };
    }
    if (records > compactAbove) await this.#compact();
  }

  #current(): JournalState {
    if (this.#state === undefined) throw new CarmineError('transfer/journal', { context: { reason: 'no header' } });
    return this.#state;
  }

  async #append(bytes: Uint8Array, records: number): Promise<void> {
    await this.create();
    await this.#file.write([bytes], this.#length);
    await this.#file.datasync();
    this.#length += bytes.length;
    this.#records += records;
  }

  /** Writes the shortest equivalent beside it and renames that over it. */
  async #compact(): Promise<void> {
    const state = this.#current();
    const bytes = encodeJournal(state);
    const file = await this.#directory.create(replacement(this.#name));
    try {
      await file.write([bytes], 0);
      await file.sync();
      await this.#directory.rename(replacement(this.#name), this.#name);
      await this.#directory.sync();
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    const old = this.#file;
    this.#file = file;
    this.#length = bytes.length;
    this.#records = 1 + state.done.extents.length;
    await old.close();
  }
}

/** It was never synced, and the power may have been lost since. */
function isVoid(state: JournalState | undefined, boot: string): boolean {
  return state?.boot !== undefined && state.boot !== boot;
}

async function readAll(file: DiskFile): Promise<Uint8Array> {
  const size = await file.size();
  if (size > maximumSize) throw new CarmineError('transfer/journal', { context: { reason: 'it is too large' } });
  const bytes = new Uint8Array(size);
  let position = 0;
  while (position < size) {
    const count = await file.read(bytes.subarray(position), position);
    if (count === 0) break;
    position += count;
  }
  return bytes.subarray(0, position);
}

function replacement(name: string): string {
  return `${name}.new`;
}

const compactAbove = 4_096;
/** Bytes; a compacted journal has a few hundred. */
const maximumSize = 16 * 1024 * 1024;

/**
 * `kept`: it is read again soon; absent is the same. `past`: nobody will read it soon, so it need not stay in memory where that can be had. `inOrder`: so too, and
 * it is waited for that writes before it are done. `soonest`: nobody reads it and nobody syncs it, whichever way is quicker.
 */
export type WriteWay = 'kept' | 'past' | 'inOrder' | 'soonest';

/** One open file. Every method rejects with what the operating system threw. */
export interface DiskFile {
  /** For the digest's thread; undefined when the file is not the operating system's. */
  readonly fd: number | undefined;
  /** Writes all of it at `position`. */
  write(chunks: readonly Uint8Array[], position: number, way?: WriteWay): Promise<void>;
  /** Up to `buffer.length` bytes; 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  size(): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Space for a file of this length is put aside where that can be had; never rejects, and changes nothing that can be read. */
  reserve?(length: number): Promise<void>;
  /** Data and what is needed to read it are durable (fdatasync). */
  datasync(): Promise<void>;
  /** Everything is durable (fsync). */
  sync(): Promise<void>;
  /** Sets the mode and, when given, the modification time (milliseconds). */
  touch(mode: number, modified: number | undefined): Promise<void>;
  close(): Promise<void>;
}

/** An open directory, whose real path was checked; names are single components. */
export interface DiskDirectory {
  /** Without symbolic links, for messages. */
  readonly realPath: string;
  /** A new file, mode 0600; fails with EEXIST. */
  create(name: string): Promise<DiskFile>;
  /** An existing regular file, never through a symbolic link; undefined when there is none. */
  open(name: string): Promise<DiskFile | undefined>;
  kind(name: string): Promise<'file' | 'directory' | 'other' | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** True when there was one. */
  remove(name: string): Promise<boolean>;
  /** Creations, renames and removals are durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Where files come from: the operating system, or a simulation that loses power. */
export interface Disk {
  /**
   * Opens the directory. `roots`: it must be one of them or below, by its real path; undefined allows every directory.
   */
  openDirectory(path: string, roots: readonly string[] | undefined): Promise<DiskDirectory>;
}

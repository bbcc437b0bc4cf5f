import type { RunningDigest } from './run-types.ts';

/** The digest of a file that is being written: begun when it is needed, and anew when what was written is given up. */
export class FollowingDigest {
  readonly #start: (length: number | undefined) => RunningDigest;
  #running: RunningDigest | undefined;
  #followed = 0;
  /** Digests of what was given up. */
  readonly #stopping: Promise<void>[] = [];

  constructor(start: (length: number | undefined) => RunningDigest) {
    this.#start = start;
  }

  /** How many bytes from the beginning it was told of. */
  get followed(): number {
    return this.#followed;
  }

  /** The one that is under way, else a new one. */
  begin(length: number | undefined): RunningDigest {
    this.#running ??= this.#start(length);
    return this.#running;
  }

  /** Lets it know how far the beginning of the file is. */
  follow(end: number): void {
    if (this.#running === undefined || end <= this.#followed) return;
    this.#running.advance(end);
    this.#followed = end;
  }

  /** What it has read does not stay as it is. Resolves when it reads no more. */
  async restart(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#followed = 0;
    const stopped = running?.stop();
    if (stopped !== undefined) this.#stopping.push(stopped);
    await stopped;
  }

  /** Resolves when none of those that were given up reads any more. */
  async stopped(): Promise<void> {
    await Promise.all(this.#stopping);
  }
}

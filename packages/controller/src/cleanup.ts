import { CarmineError } from '@carmine/errors';
import type { CopyEnvironment } from './copy-types.ts';

export type CleanupEnd = 'source' | 'destination';

interface Step {
  readonly end: CleanupEnd;
  /** For people; asked when the step failed. */
  readonly what: () => string;
  readonly undo: () => Promise<void>;
}

/** What has to be taken back, newest first. A step is registered before the call whose effect it takes back. */
export class Cleanup {
  readonly #environment: CopyEnvironment;
  #steps: Step[] = [];

  constructor(environment: CopyEnvironment) {
    this.#environment = environment;
  }

  /** Returns what withdraws the step again, for a call that turned out to have had no effect. */
  add(end: CleanupEnd, what: () => string, undo: () => Promise<void>): () => void {
    const step: Step = { end, what, undo };
    this.#steps.unshift(step);
    return () => {
      this.#steps = this.#steps.filter((other) => other !== step);
    };
  }

  /** That end keeps what it has. */
  forget(end: CleanupEnd): void {
    this.#steps = this.#steps.filter((step) => step.end !== end);
  }

  /** Takes everything back, trying again where that may help; returns what is left, for people. */
  async run(): Promise<string[]> {
    const left: string[] = [];
    const unreachable = new Set<CleanupEnd>();
    for (const { end, what, undo } of this.#steps) {
      if (unreachable.has(end) || !(await this.#attempt(undo, () => unreachable.add(end)))) left.push(what());
    }
    this.#steps = [];
    return left;
  }

  async #attempt(undo: () => Promise<void>, giveUp: () => void): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await undo();
        return true;
      } catch (thrown) {
        if (CarmineError.from(thrown).kind !== 'transient') return false;
        if (attempt === attempts) {
          giveUp();
          return false;
        }
        await this.#environment.sleep(pause);
      }
    }
  }
}

/** An agent that restarts is back within this many attempts, pauses in milliseconds. */
const attempts = 5;
const pause = 1000;

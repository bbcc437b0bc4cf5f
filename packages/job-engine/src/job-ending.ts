import { type JobEvent, type JobTransition, type SuccessCode, toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { errorFields } from './error-report.ts';
import { type Job, withFile } from './job.ts';
import { requestOf } from './job-request.ts';
import { withFlag } from './job-sets.ts';
import type { JobEngineOptions } from './options.ts';
import { toEnded } from './snapshot.ts';

/** What an ending is made of; all of it in the job's turn to change. */
export interface EndingSteps {
  readonly options: JobEngineOptions;
  transition(job: Job, event: JobEvent): JobTransition;
  apply(job: Job, event: JobEvent, changes: Partial<StoredJob>): Promise<void>;
  save(job: Job, changes: Partial<StoredJob>): Promise<void>;
  leaveTurn(job: Job): Promise<void>;
  ended(job: Job): void;
}

/** How jobs end, so that a crash in between is gone on from. */
export class JobEnding {
  readonly #steps: EndingSteps;

  constructor(steps: EndingSteps) {
    this.#steps = steps;
  }

  /**
   * Complete: files that are there get their names, the others are deleted. The intent is durable before the first rename,
   * so that a crash in between is finished at the next start.
   */
  async complete(job: Job): Promise<SuccessCode> {
    this.#steps.transition(job, 'complete');
    const repeat = job.stored.ending !== null;
    await this.#steps.save(job, { ending: { action: 'complete', reason: 'completed' } });
    await this.#steps.leaveTurn(job);
    await this.#finishWhole(job);
    for (const [index, file] of job.stored.files.entries()) {
      if (!file.transferred || file.renamed) continue;
      try {
        await this.#steps.options.transfers(requestOf(file)).finish({ repeat });
      } catch (thrown) {
        throw await this.#completeFailed(job, CarmineError.from(thrown), index);
      }
      await this.#steps.save(job, { files: withFile(job.stored, index, { renamed: true }).files });
    }
    const missing = job.stored.files.filter((file) => !file.transferred);
    await this.#discard(missing);
    const done = job.stored.files.length - missing.length;
    const reason =
      missing.length === 0 ? 'completed' : `completed in part: ${done} of ${job.stored.files.length} files`;
    await this.#end(job, 'acknowledged', reason);
    return missing.length === 0 ? 0 : partialComplete;
  }

  /** Those that came in sets get their names together. */
  async #finishWhole(job: Job): Promise<void> {
    const { small } = this.#steps.options.transfers;
    const { files } = job.stored;
    const indexes = [...files.keys()].filter(
      (index) => files[index]?.whole === true && files[index]?.renamed === false,
    );
    if (small === undefined || indexes.length === 0) return;
    const whole = indexes.map((index) => {
      const { localFile, temporaryName, bytesTotal, naming } = files[index] as StoredFile;
      return { path: localFile, temporaryName, length: Number(bytesTotal), repeat: naming };
    });
    // There is no journal that would know that it was begun.
    await this.#steps.save(job, { files: withFlag(files, indexes, 'naming') });
    const problems = await small.finish(whole);
    const named = indexes.filter((_index, position) => problems[position] === undefined);
    await this.#steps.save(job, { files: withFlag(job.stored.files, named, 'renamed') });
    const failed = problems.findIndex((problem) => problem !== undefined);
    if (failed >= 0) throw await this.#completeFailed(job, problems[failed] as CarmineError, indexes[failed] as number);
  }

  async #completeFailed(job: Job, error: CarmineError, index: number): Promise<CarmineError> {
    await this.#steps.apply(job, 'completeFailed', { ending: null, ...errorFields(error, index) });
    return error;
  }

  /** Cancel: temporary files go, those of files that were transferred included. */
  async cancel(job: Job, event: 'cancel' | 'inactivityTimeout', reason: string): Promise<SuccessCode> {
    this.#steps.transition(job, event);
    await this.#steps.save(job, { ending: { action: 'cancel', reason } });
    await this.#steps.leaveTurn(job);
    const deleted = await this.#discard(job.stored.files.filter((file) => !file.renamed));
    await this.#end(job, 'cancelled', reason);
    return deleted ? 0 : unableToDelete;
  }

  async #end(job: Job, state: 'acknowledged' | 'cancelled', reason: string): Promise<void> {
    const { store, clock } = this.#steps.options;
    await store.end(toEnded(job.stored, state, reason, toFiletime(clock.now())));
    this.#steps.ended(job);
  }

  /** False when something could not be deleted. */
  async #discard(files: readonly StoredFile[]): Promise<boolean> {
    let deleted = true;
    for (const file of files) {
      try {
        await this.#steps.options.transfers(requestOf(file)).discard();
      } catch (problem) {
        deleted = false;
        this.#steps.options.onProblem?.(problem);
      }
    }
    return deleted;
  }
}

/** BG_S_PARTIAL_COMPLETE and BG_S_UNABLE_TO_DELETE_FILES. */
const partialComplete = 0x0020_0017;
const unableToDelete = 0x0020_001a;

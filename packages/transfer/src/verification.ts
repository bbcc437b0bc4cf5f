import { CarmineError } from '@carmine/errors';
import type { KnownSource } from './known-source.ts';
import type { PlannerCommand } from './planner-types.ts';

/** What is done when every byte is there: the digest where one is asked for, and blocks that are fetched again when it is wrong. */
export class Verification {
  #verified: string | undefined;
  #underWay = false;
  #mismatch: Mismatch | undefined;
  #repairs = 0;

  constructor(verified: string | undefined) {
    this.#verified = verified;
  }

  /** Somebody reads what is there: nothing is fetched and nothing is journalled meanwhile. */
  get underWay(): boolean {
    return this.#underWay;
  }

  /** The next thing to do, or the error when there is nothing more to be done about it. */
  conclude(known: KnownSource): PlannerCommand | CarmineError {
    const actual = this.#verified;
    if (known.wantsDigest && actual === undefined) {
      this.#underWay = true;
      return { type: 'verify' };
    }
    const expected = actual === undefined ? undefined : known.contradicting(actual);
    if (actual === undefined || expected === undefined) return { type: 'complete', sha256: actual };
    if (known.blockList === undefined || this.#repairs >= maximumRepairs) return mismatched({ actual, expected });
    this.#repairs++;
    this.#underWay = true;
    this.#mismatch = { actual, expected };
    return { type: 'findBad', url: known.blockList };
  }

  /** What is there has this digest. False: nobody asked. */
  verified(sha256: string): boolean {
    if (!this.#underWay) return false;
    this.#underWay = false;
    this.#verified = sha256;
    return true;
  }

  /** Blocks were looked for; the error that it is when there are none. Undefined: nobody asked. */
  found(): CarmineError | undefined {
    const mismatch = this.#underWay ? this.#mismatch : undefined;
    if (mismatch === undefined) return undefined;
    this.#underWay = false;
    this.#mismatch = undefined;
    return mismatched(mismatch);
  }

  /** Nobody reads any more. */
  end(): void {
    this.#underWay = false;
  }

  /** The content is not what it was. */
  forget(): void {
    this.#verified = undefined;
  }
}

interface Mismatch {
  readonly actual: string;
  readonly expected: string;
}

function mismatched({ actual, expected }: Mismatch): CarmineError {
  return new CarmineError('transfer/digest-mismatch', { context: { actual, expected } });
}

const maximumRepairs = 3;

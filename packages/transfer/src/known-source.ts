import { blockListUrl } from './block-list.ts';
import { acceptsRanges, describedBy, parseContentRange, type ResponseHead } from './headers.ts';
import type { PlannerOptions } from './planner-types.ts';
import { type Source, sameContent, sameVersion, type Validator, validatorOf } from './source.ts';

/** What is known of the source and of the mirrors: the version, whether parts of it can be joined, what its content must be. */
export class KnownSource {
  readonly #url: string | undefined;
  #expectedSha256: string | undefined;
  #computeSha256: boolean;
  /** Sources that may be used, as far as known. */
  #mirrors: number[];
  #blockList: string | undefined;
  /** The version that is fetched; undefined until the server told. */
  current: Source | undefined;
  /** The version that was given up; if the server still has it, nothing was lost. */
  #previous: Source | undefined;
  /** What is there is of another URL: it counts when the one that we have now has the same. */
  #moved = false;
  /** Whether the server serves ranges; undefined until it says or shows it. */
  ranges: boolean | undefined;
  /** It does not know HEAD. */
  headRefused = false;

  constructor({ url, expectedSha256, computeSha256 = false, mirrors = 1, resumed }: PlannerOptions) {
    this.#url = url;
    this.#expectedSha256 = expectedSha256;
    this.#computeSha256 = computeSha256;
    this.#mirrors = Array.from({ length: mirrors }, (_, index) => index);
    this.#moved = resumed?.moved === true;
    if (this.#moved) this.#previous = resumed?.source;
    else this.current = resumed?.source;
  }

  get previous(): Source | undefined {
    return this.#previous;
  }

  /** Where the origin's list of blocks is, if an answer named one. */
  get blockList(): string | undefined {
    return this.#blockList;
  }

  get wantsDigest(): boolean {
    return this.#computeSha256 || this.#isExpected;
  }

  /** Whether bytes of different answers may stand in one file. */
  get joinable(): boolean {
    if (this.current === undefined) return false;
    return validatorOf(this.current) !== undefined || this.#isExpected;
  }

  get #isExpected(): boolean {
    return this.#expectedSha256 !== undefined || this.current?.digest !== undefined;
  }

  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void {
    this.#expectedSha256 = digest.expectedSha256;
    this.#computeSha256 = digest.computeSha256 ?? false;
  }

  /** The digest that the content should have had, when `actual` is not that. */
  contradicting(actual: string): string | undefined {
    return [this.#expectedSha256, this.current?.digest].find((wanted) => wanted !== undefined && wanted !== actual);
  }

  /** Takes over what an answer to the first question says. True: a false alarm, the server has the version whose bytes are on the disk. */
  learn(source: Source, head: ResponseHead): boolean {
    this.ranges = acceptsRanges(head.headers);
    this.current = source;
    const unchanged = this.#previous !== undefined && this.#isSame(this.#previous, source);
    this.#previous = undefined;
    this.noteBlockList(head);
    return unchanged;
  }

  #isSame(ours: Source, theirs: Source): boolean {
    return this.#moved ? sameContent(ours, theirs, this.#expectedSha256, true) : sameVersion(ours, theirs);
  }

  noteBlockList(head: ResponseHead): void {
    if (this.#url !== undefined) this.#blockList ??= blockListUrl(head.headers['link'], this.#url);
  }

  /** What is there counts. True when it had been of another URL until now. */
  adopt(): boolean {
    const moved = this.#moved;
    this.#moved = false;
    return moved;
  }

  /** The server has another version, and nobody knows yet which. */
  forget(): void {
    this.#previous = this.current;
    this.current = undefined;
    this.ranges = undefined;
  }

  get mirrors(): number {
    return this.#mirrors.length;
  }

  /** The source whose version counts. */
  isFirst(mirror: number): boolean {
    return mirror === this.#mirrors[0];
  }

  hasMirror(mirror: number): boolean {
    return this.#mirrors.includes(mirror);
  }

  /** The source that the connection of this number asks. */
  mirrorOf(slot: number): number {
    return this.#mirrors[slot % this.#mirrors.length] ?? 0;
  }

  dropMirror(mirror: number): void {
    this.#mirrors = this.#mirrors.filter((other) => other !== mirror);
  }

  /** What a part is asked for with. A mirror's tag may be another one although a digest proves that it has the same. */
  validatorFor(mirror: number): Validator | undefined {
    const asked = this.isFirst(mirror) || !this.#isExpected ? this.current : undefined;
    return asked === undefined ? undefined : validatorOf(asked);
  }

  /** A mirror is used for what surely is the same: by its strong tag, or by a digest. */
  isProven(source: Source, head: ResponseHead): boolean {
    const range = parseContentRange(head.headers['content-range']);
    const length = head.status === 206 ? range?.total : Number(head.headers['content-length'] ?? Number.NaN);
    if (length === undefined) return false;
    return sameContent(source, { length, ...describedBy(head.headers) }, this.#expectedSha256);
  }
}

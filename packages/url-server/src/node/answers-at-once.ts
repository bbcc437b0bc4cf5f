import type { ResponseFields } from '@carmine/http1';
import type { Exchange } from '@carmine/http1/node';
import type { PublishedUrl } from '../group.ts';
import { type FileRequest, plainRange } from '../plan-response.ts';
import type { ByteRange } from '../range.ts';
import { validatorsOf } from '../validators.ts';
import type { FileFacts } from './file-facts.ts';
import type { NativeFile } from './native-file.ts';
import type { PeerReads } from './peer-reads.ts';
import { PromptAnswers } from './prompt-answers.ts';
import type { SharedSource, SharedSources } from './shared-sources.ts';
import { SmallAnswers, smallSize } from './small-answers.ts';

/** A request that may be answered at once, and what is to be done when it is not, or not wholly. */
export interface RequestAtOnce {
  readonly exchange: Exchange;
  readonly url: PublishedUrl;
  readonly request: FileRequest;
  /** Besides those that tell of the range: `fields` come with them. */
  readonly withMore: (fields: ResponseFields) => ResponseFields;
  readonly stillAllowed: () => boolean;
  /** It is given now, so many octets of the file. */
  readonly given: (length: number) => void;
  /** It is begun; of `range`, which begins where it is to go on, nothing is sent yet. Releases the source. */
  readonly rest: (source: SharedSource, range: ByteRange, begun: Begun) => void;
  /** Nothing is sent: the request is looked at anew. */
  readonly refused: () => void;
  readonly failed: (error: unknown) => void;
}

/** How an answer was begun. */
export interface Begun {
  /** Octets of its body. */
  readonly sent: number;
  /** They went by sendfile. */
  readonly pagesQueued: boolean;
}

/** Answers with one range of a file that is open and in memory, given in the turn of the event loop in which they are asked for, or at its end. */
export class AnswersAtOnce {
  readonly #sources: SharedSources;
  readonly #facts: FileFacts;
  readonly #small: SmallAnswers;
  readonly #prompt: PromptAnswers;

  constructor(native: NativeFile, reads: PeerReads, sources: SharedSources, facts: FileFacts) {
    this.#sources = sources;
    this.#facts = facts;
    this.#small = new SmallAnswers(native);
    this.#prompt = new PromptAnswers(native, reads);
  }

  /** False when it must be done otherwise. */
  give({ exchange, url, request, withMore, stillAllowed, given, rest, refused, failed }: RequestAtOnce): boolean {
    if (request.range === undefined) return false;
    const source = this.#sources.recent(url.sourcePath);
    if (source === undefined) return false;
    const { version } = source;
    const range = plainRange(request, version.size, validatorsOf(version));
    const length = range === undefined ? 0 : range.last - range.first + 1;
    const small = length <= smallSize;
    if (range === undefined || !(small || this.#prompt.takes(length, source, exchange.socket))) {
      source.release();
      return false;
    }
    const answer = {
      exchange,
      source,
      range,
      prepared: this.#facts.prepared(url, version),
      fields: withMore([
        ['Content-Length', String(length)],
        ['Content-Range', `bytes ${range.first}-${range.last}/${version.size}`],
      ]),
      stillAllowed,
      given: () => given(length),
      refused,
      failed,
    };
    if (small) this.#small.add(answer);
    else {
      const goOn = (sent: number, pagesQueued: boolean) =>
        rest(source, { first: range.first + sent, last: range.last }, { sent, pagesQueued });
      this.#prompt.give({ ...answer, rest: goOn });
    }
    return true;
  }
}

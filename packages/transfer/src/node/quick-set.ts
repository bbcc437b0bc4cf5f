import type { CarmineError } from '@carmine/errors';
import { checkHeaders } from '../custom-headers.ts';
import type { Source } from '../source.ts';
import { smallFile } from '../whole-answer.ts';
import { AnswerBuffers } from './answer-buffers.ts';
import { connectTimeout, fiveMinutes, type HttpReceiverOptions, plainHeaders } from './http-options.ts';
import { type HeldContent, QuickConnection, type QuickFiles } from './quick-connection.ts';
import { type RawSockets, rawSockets, requestText } from './raw-socket.ts';
import { createSecureContexts, type SecureContexts } from './secure-contexts.ts';

/** What becomes of the files of a set, by their places in it. */
export interface QuickTaker {
  /** It came whole; the content is there during the call, and longer for who holds it. `far`: answers take so long that more connections are worth their while. */
  arrived(index: number, source: Source, content: HeldContent, far: boolean): void;
  failed(index: number, error: CarmineError): void;
  /** It is nothing for this way. */
  careful(index: number): void;
  /** Nothing more is to be asked for until a connection has ended. */
  readonly isFull: boolean;
}

/** Where every answer is for whoever asks: nobody logs on, and nobody stands between. */
export function isQuick({ authenticator, proxy, fast }: HttpReceiverOptions): boolean {
  return authenticator === undefined && proxy === undefined && fast !== false;
}

/**
 * The quick way for a set of small files: plain answers over connections that do nothing else. Whatever is not plain (large files, redirects,
 * challenges, other framings, connections that drop) is left to the careful way, which knows what to do; after some of that, all of the origin's files.
 */
export class QuickSet {
  readonly #urls: readonly { readonly url: string }[];
  readonly #options: HttpReceiverOptions;
  readonly #taker: QuickTaker;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secureContexts: SecureContexts;
  readonly #origins = new Map<string, Origin>();
  /** By how they are written before the paths of plain URLs. */
  readonly #written = new Map<string, Origin>();
  readonly #buffers = new AnswerBuffers();
  readonly #open = new Set<QuickConnection<Planned>>();
  /** Files before this one are planned. */
  #next = 0;

  constructor(urls: readonly { readonly url: string }[], options: HttpReceiverOptions, taker: QuickTaker) {
    this.#urls = urls;
    this.#options = options;
    this.#taker = taker;
    this.#headers = plainHeaders(options, checkHeaders(options.headers ?? []));
    this.#secureContexts = createSecureContexts(options);
  }

  /** There may be something to ask for. */
  get hasMore(): boolean {
    return this.#next < this.#urls.length || [...this.#origins.values()].some(({ queue }) => queue.length > 0);
  }

  /** Opens a connection and uses it until it ends; false: there was nothing to ask for. */
  async fetch(): Promise<boolean> {
    const origin = this.#nextOrigin();
    if (origin === undefined) return false;
    let connection: QuickConnection<Planned>;
    try {
      connection = this.#connect(origin);
    } catch {
      // What is wrong with its settings is told by who has to use them for each file.
      this.#giveUp(origin);
      return true;
    }
    this.#open.add(connection);
    const { left, answers, reason } = await connection.ended;
    this.#open.delete(connection);
    if (left !== undefined) this.#taker.careful(left.index);
    if (reason !== 'other') return true;
    // A server may close between two requests, as long as it answers some.
    if (answers === 0 || (left !== undefined && ++origin.trouble >= mostTrouble)) this.#giveUp(origin);
    return true;
  }

  #connect(origin: Origin): QuickConnection<Planned> {
    const { headers = fiveMinutes, body = fiveMinutes } = this.#options.timeouts ?? {};
    const times = { connect: connectTimeout(this.#options), silence: Math.min(headers, body) };
    const files = this.#filesOf(origin);
    return new QuickConnection(origin.name, origin.sockets, files, this.#buffers, { small: smallFile, ...times });
  }

  #giveUp(origin: Origin): void {
    origin.careful = true;
    for (const { index } of origin.queue.splice(0)) this.#taker.careful(index);
  }

  /** Ends all connections. */
  close(): void {
    for (const connection of this.#open) connection.close();
  }

  #filesOf(origin: Origin): QuickFiles<Planned> {
    const taker = this.#taker;
    return {
      next: () => {
        const item = taker.isFull || origin.careful ? undefined : this.#nextOf(origin);
        return item === undefined ? undefined : { item, request: item.request };
      },
      arrived({ index }, source, content, elapsed) {
        origin.nearest = Math.min(origin.nearest, elapsed);
        const most = ++origin.answers < fewAnswers ? nearAtFirst : near;
        taker.arrived(index, source, content, origin.nearest > most);
      },
      refused: ({ index }, error) => taker.failed(index, error),
    };
  }

  /** The next file of the origin; those of others that lie before it wait. */
  #nextOf(origin: Origin): Planned | undefined {
    while (origin.queue.length === 0 && this.#next < this.#urls.length) this.#plan();
    return origin.queue.shift();
  }

  /** One that has files. */
  #nextOrigin(): Origin | undefined {
    for (;;) {
      for (const origin of this.#origins.values()) if (origin.queue.length > 0) return origin;
      if (this.#next >= this.#urls.length) return undefined;
      this.#plan();
    }
  }

  #plan(): void {
    const index = this.#next++;
    const written = this.#urls[index]?.url ?? '';
    // Most URLs are as a parser would write them: of those only the first one at an origin needs one.
    const [, prefix = '', path] = plainUrl.exec(written) ?? [];
    let origin = this.#written.get(prefix);
    if (origin !== undefined && path !== undefined) {
      this.#add(origin, index, path);
      return;
    }
    const url = URL.parse(written);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      this.#taker.careful(index);
      return;
    }
    origin = this.#originOf(url);
    if (path !== undefined) this.#written.set(prefix, origin);
    this.#add(origin, index, url.pathname + url.search);
  }

  #add(origin: Origin, index: number, path: string): void {
    if (origin.careful) this.#taker.careful(index);
    else origin.queue.push({ index, request: `GET ${path}${origin.request}` });
  }

  #originOf({ origin: name, host }: URL): Origin {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      const [, request = ''] = requestText({ method: 'GET', uri: '', headers: this.#headers }, host).split('GET ');
      const sockets = rawSockets(name, true, this.#secureContexts);
      const nearest = Number.POSITIVE_INFINITY;
      origin = { name, sockets, request, queue: [], careful: false, trouble: 0, nearest, answers: 0 };
      this.#origins.set(name, origin);
    }
    return origin;
  }
}

/** A file that was not asked for yet, or not answered. */
interface Planned {
  readonly index: number;
  readonly request: string;
}

interface Origin {
  readonly name: string;
  readonly sockets: RawSockets;
  /** What follows the path in a request. */
  readonly request: string;
  readonly queue: Planned[];
  careful: boolean;
  /** Connections that ended otherwise than they should. */
  trouble: number;
  /** Milliseconds that the quickest answer took. */
  nearest: number;
  /** So many came. */
  answers: number;
}

/** Nothing in the path is for a parser to change: no escapes, no characters to be escaped, no segments that begin with a dot. */
const plainUrl = /^(https?:\/\/[a-z\d.:-]+)((?:\/(?!\.)[\w~.-]*)+)$/;
/** How long an answer takes at most while the first connections keep a near server busy, in milliseconds. */
const near = 1;
/** The first ones have to wait for what this side still has to do. */
const [fewAnswers, nearAtFirst] = [16, 10];
const mostTrouble = 3;

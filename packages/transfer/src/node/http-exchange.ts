import { CarmineError, hresultFromHttpStatus } from '@carmine/errors';
import type { RequestLine } from '../authenticator.ts';
import type { ResponseHead } from '../headers.ts';
import { networkError } from '../network-errors.ts';
import type { ReceiverExchange, ReceiverHandler, ReceiverRequest } from '../receiver.ts';
import { isRedirect, redirectTarget } from '../redirect.ts';
import { type Answers, answerChallenges, proveServer, refusal } from './challenges.ts';
import type { AttemptControl, Connection } from './connection.ts';
import type { ConnectionLogon } from './connection-logon.ts';
import { AttemptHandler, type AttemptJudge } from './http-attempt.ts';
import { type HttpReceiverOptions, plainHeaders } from './http-options.ts';
import { type Peer, targetAt } from './peer.ts';
import { type Place, placeOf } from './place.ts';

/** What an exchange needs of its receiver: one connection at a time, and where the file is. */
export interface ExchangeConnections {
  readonly url: Place;
  readonly options: HttpReceiverOptions;
  /** The connection to the origin of `url`. */
  connectionTo(url: Place): Connection;
  /** The proxy of the connection could not be connected to, and there is one of which that is not known. */
  hasOtherProxy(url: Place): boolean;
  /** From now on undici does what there is to do with this file, or with this origin until it knows who we are. */
  useGeneral(place: string): void;
  rememberTarget(target: Place): void;
  /** Back to the original URL; true where redirects had led elsewhere. */
  forgetTarget(): boolean;
  /** The caller's fields, for the file's own origin only. */
  headersFor(origin: string): Readonly<Record<string, string>>;
  close(): void;
}

/** One request with the redirects and the authentication that lie before its answer. */
export class HttpExchange implements ReceiverExchange, AttemptJudge {
  readonly #receiver: ExchangeConnections;
  readonly #request: ReceiverRequest;
  readonly #handler: ReceiverHandler;
  #control: AttemptControl | undefined;
  #paused = false;
  #over = false;
  #redirects = 0;
  #legs = 0;

  constructor(receiver: ExchangeConnections, request: ReceiverRequest, handler: ReceiverHandler) {
    this.#receiver = receiver;
    this.#request = request;
    this.#handler = handler;
  }

  /** `answers`: to challenges, of the server or of the proxy. */
  send(url: Place, answers: Answers = {}): void {
    let connection: Connection;
    const line = { method: this.#request.method, uri: url.uri };
    this.#control = undefined;
    let headers: Record<string, string>;
    try {
      connection = this.#receiver.connectionTo(url);
      const { peer } = connection;
      // Basic can be sent unasked; the others wait for the challenge.
      const unasked = (logon: ConnectionLogon | undefined, asked: RequestLine) =>
        (logon?.authenticator ?? logon?.newAuthenticator())?.initial(asked);
      headers = this.#headers(peer.origin, {
        server: answers.server ?? unasked(peer.logon, line),
        proxy: answers.proxy ?? unasked(peer.proxyLogon, absolute(line, peer)),
      });
    } catch (thrown) {
      queueMicrotask(() => this.#fail(thrown, url));
      return;
    }
    connection.send(
      { ...line, position: this.#request.range?.start ?? 0, headers },
      new AttemptHandler(this, connection.peer, url, line),
    );
  }

  pause(): void {
    this.#paused = true;
    this.#control?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#control?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#control?.abort();
    // Without a controller the request is not on the wire yet: only the connection can be given up.
    if (this.#control === undefined) this.#receiver.close();
  }

  // --- called by the attempt under way ---

  started(control: AttemptControl): void {
    this.#control = control;
    if (this.#over) control.abort();
    else if (this.#paused) control.pause();
  }

  get over(): boolean {
    return this.#over;
  }

  judge(
    peer: Peer,
    url: Place,
    line: RequestLine,
    head: ResponseHead,
    challenges: readonly string[],
  ): (() => void) | undefined {
    if (head.status !== 407) peer.proxyLogon?.admit();
    if (isRedirect(head.status)) {
      const { disallow, allowHttpsToHttp, onRedirect } = this.#receiver.options.redirects ?? {};
      const target = redirectTarget(url.href, head.headers['location'], this.#redirects++, allowHttpsToHttp);
      if (disallow === true) {
        onRedirect?.(target);
        throw new CarmineError('transfer/http-status', {
          context: { status: head.status },
          hresult: hresultFromHttpStatus(head.status),
        });
      }
      return () => {
        onRedirect?.(target);
        const place = placeOf(target);
        this.#receiver.rememberTarget(place);
        this.send(place);
      };
    }
    const asker = head.status === 401 ? 'server' : head.status === 407 ? 'proxy' : undefined;
    const logon = asker === 'server' ? peer.logon : asker === 'proxy' ? peer.proxyLogon : undefined;
    if (asker !== undefined && logon?.possible === true) {
      if (this.#legs++ >= maximumLegs) throw refusal(undefined, asker);
      const asked = asker === 'server' ? line : absolute(line, peer);
      const authorization = answerChallenges(logon, challenges, asked, asker, this.#legs === 1);
      if (typeof authorization === 'string') return () => this.send(url, { [asker]: authorization });
      // Until the body of this answer is out of the way nobody looks at how it ends.
      authorization.catch(() => undefined);
      return () => void this.#sendWhenReady(logon, url, authorization, asker);
    }
    if (head.status >= 400 && head.status < 500 && head.status !== 412 && head.status !== 416) {
      if (this.#receiver.forgetTarget() && this.#redirects === 0) {
        this.#redirects++;
        return () => this.send(this.#receiver.url);
      }
    }
    // Only what is accepted must come from a server that proved itself; a refusal is reported as what it is.
    if (head.status < 300) proveServer(peer.logon, challenges);
    return undefined;
  }

  head(head: ResponseHead): void {
    this.#handler.onHead(head);
  }

  data(chunk: Uint8Array, release?: () => void): void {
    if (this.#over) release?.();
    else this.#handler.onData(chunk, release);
  }

  crowded(waits: boolean): void {
    if (!this.#over) this.#handler.onCrowded?.(waits);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onEnd();
  }

  error(thrown: unknown, url: Place): void {
    // Nothing was asked yet.
    if (!this.#over && this.#receiver.hasOtherProxy(url)) this.send(url);
    else this.#fail(thrown, url);
  }

  again(place: string, url: Place): void {
    if (this.#over) return;
    this.#receiver.useGeneral(place);
    this.#legs = 0;
    this.send(url);
  }

  async #sendWhenReady(
    logon: ConnectionLogon,
    url: Place,
    authorization: Promise<string>,
    asker: keyof Answers,
  ): Promise<void> {
    try {
      const value = await authorization;
      if (!this.#over) this.send(url, { [asker]: value });
    } catch (thrown) {
      logon.authenticator = undefined;
      this.#fail(refusal(thrown, asker), url);
    }
  }

  #headers(origin: string, answers: Answers): Record<string, string> {
    const { range, validator } = this.#request;
    const headers = plainHeaders(this.#receiver.options, this.#receiver.headersFor(origin));
    if (answers.server !== undefined) headers['authorization'] = answers.server;
    if (answers.proxy !== undefined) headers['proxy-authorization'] = answers.proxy;
    if (range !== undefined) headers['range'] = `bytes=${range.start}-${range.end - 1}`;
    // RFC 9110 13.1.5: If-Range is for strong validators, and only together with Range. BITS itself sends If-Unmodified-Since.
    if (validator?.kind === 'lastModified') headers['if-unmodified-since'] = validator.value;
    else if (validator?.kind === 'etag' && range !== undefined) headers['if-range'] = validator.value;
    return headers;
  }

  #fail(thrown: unknown, url: Place): void {
    if (this.#over) return;
    this.#over = true;
    this.#receiver.forgetTarget();
    this.#handler.onError(networkError(thrown, url.href));
  }
}

/** What a proxy is asked, RFC 9112, section 3.2.2; Digest signs it. */
function absolute({ method, uri }: RequestLine, peer: Peer): RequestLine {
  return { method, uri: targetAt(peer, uri) };
}

/** Requests that one answer may cost; Negotiate with NTLM needs three. */
const maximumLegs = 6;

import type { Socket } from 'node:net';
import type { Environment } from '@carmine/auth';
import type { UrlTransfer } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { RequestHead, ResponseFields } from '@carmine/http1';
import type { Exchange } from '@carmine/http1/node';
import type { Token } from '@carmine/security';
import type { AccessRecord } from '../access-record.ts';
import { BandwidthBucket } from '../bandwidth.ts';
import { blockListDocument, blockListQuery, blockListType, hasBlockList } from '../block-list.ts';
import { type PublishedUrl, type UrlGroup, unlimited } from '../group.ts';
import { type BodyPart, type FileRequest, planResponse } from '../plan-response.ts';
import type { ReadingLimits } from '../reading-rate.ts';
import type { DigestSource } from '../shells.ts';
import { type FileVersion, validatorsOf } from '../validators.ts';
import { AnswersAtOnce, type Begun } from './answers-at-once.ts';
import { DataAccess, type DataAccessOptions, mayRead } from './data-access.ts';
import { FileFacts } from './file-facts.ts';
import type { NativeFile } from './native-file.ts';
import { PeerReads } from './peer-reads.ts';
import type { PortContext } from './port-listener.ts';
import { sendFile } from './send-file.ts';
import type { SharedSource, SharedSources } from './shared-sources.ts';
import { Transfer } from './transfer.ts';
import { Visitor } from './visitor.ts';

export interface RequestHandlerOptions extends DataAccessOptions {
  /** Another array when a group has come or gone. */
  readonly groups: () => readonly UrlGroup[];
  readonly sources: SharedSources;
  /** Undefined: sends without sendfile. */
  readonly native: NativeFile | undefined;
  readonly digests: DigestSource;
  /** Who reads more slowly is cut off. */
  readonly reading: ReadingLimits | undefined;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly warn: (message: string) => void;
  /** Told of every answer when it is over. */
  readonly answered: (record: AccessRecord, group: UrlGroup | undefined) => void;
}

/** A request and what becomes known of it while it is answered. */
interface Call {
  readonly exchange: Exchange;
  readonly port: PortContext;
  readonly visitor: Visitor;
  group?: UrlGroup;
  token?: Token;
  transfer?: Transfer;
  /** Of the file, in an answer that was given at once. */
  bytes?: number;
  /** The last words of an authentication, which go with any answer. */
  authenticated?: string;
}

/** Answers requests of every port: route, authenticate, look up, check access, then plan and send. */
export class RequestHandler {
  readonly #o: RequestHandlerOptions;
  readonly #access: DataAccess;
  /** By number, from 1. */
  readonly #transfers = new Map<number, Transfer>();
  #numbers = 0;
  #draining = false;
  readonly #buckets = new WeakMap<UrlGroup, BandwidthBucket>();
  readonly #visitors = new WeakMap<Socket, Visitor>();
  readonly #facts: FileFacts;
  readonly #atOnce: AnswersAtOnce | undefined;
  readonly #reads: PeerReads | undefined;

  constructor(options: RequestHandlerOptions) {
    this.#o = options;
    this.#access = new DataAccess(options);
    this.#facts = new FileFacts(options.digests);
    const { native, sources } = options;
    if (native === undefined) return;
    this.#reads = new PeerReads(native);
    this.#atOnce = new AnswersAtOnce(native, this.#reads, sources, this.#facts);
  }

  /** Number of answers being sent. */
  get running(): number {
    return this.#transfers.size;
  }

  runningOf(group: UrlGroup): number {
    let count = 0;
    for (const transfer of this.#transfers.values()) if (transfer.group === group) count++;
    return count;
  }

  /** What is being sent now, the oldest first. */
  transfers(): readonly UrlTransfer[] {
    return [...this.#transfers].map(([number, transfer]) => transfer.describe(number));
  }

  /** From now on requests are refused; resolves when the answers that are being sent are over. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#transfers.size > 0) await Promise.all([...this.#transfers.values()].map((transfer) => transfer.done));
  }

  handle(exchange: Exchange, port: PortContext): void {
    const call: Call = { exchange, port, visitor: this.#visitorOf(exchange.socket) };
    this.#record(call);
    this.#attempt(call, () => this.#answer(call));
  }

  /** Cuts off who reads too slowly; to be called every `rateInterval`. */
  checkRates(): void {
    const now = this.#o.now();
    for (const transfer of this.#transfers.values()) transfer.checkRate(now, this.#o.native);
  }

  /** Ends the answers of a group; resolves when their connections are cut. */
  async endTransfers(group: UrlGroup): Promise<void> {
    const mine = [...this.#transfers.values()].filter((transfer) => transfer.group === group);
    for (const transfer of mine) transfer.stop();
    await Promise.all(mine.map((transfer) => transfer.done));
  }

  #visitorOf(socket: Socket): Visitor {
    let visitor = this.#visitors.get(socket);
    if (visitor === undefined) {
      visitor = new Visitor(socket);
      this.#visitors.set(socket, visitor);
    }
    return visitor;
  }

  /** Whatever goes wrong, the request gets an answer or loses its connection. */
  #attempt(call: Call, work: () => Promise<void> | undefined): void {
    try {
      work()?.catch((error) => this.#failed(call, error));
    } catch (error) {
      this.#failed(call, error);
    }
  }

  #failed(call: Call, error: unknown): void {
    this.#o.warn(`a request failed: ${(error as Error).message}`);
    if (call.exchange.begun) call.exchange.destroy();
    else end(call, 503);
  }

  #record(call: Call): void {
    const { exchange, visitor } = call;
    const [time, started] = [this.#o.environment.now(), this.#o.now()];
    exchange.onOver((whole) => {
      const { group, token, transfer } = call;
      const { method, target, fields } = exchange.head;
      const record: AccessRecord = {
        time,
        source: visitor.source,
        identity: token?.name ?? '',
        method,
        target,
        range: fields.get('range'),
        status: exchange.status,
        bytes: transfer?.bytes ?? call.bytes ?? 0,
        milliseconds: this.#o.now() - started,
        whole,
      };
      this.#o.answered(record, group);
    });
  }

  /** What is waited for, if anything. */
  #answer(call: Call): Promise<void> | undefined {
    const { exchange, port, visitor } = call;
    if (this.#draining) {
      exchange.closeAfter();
      return end(call, 503, [['Retry-After', '5']]);
    }
    // HTTP.SYS answers 400 where nothing is registered, 503 where a registration has nobody behind it.
    const found = visitor.find(exchange.head, port, this.#o.groups());
    if (found === undefined) return end(call, 400);
    const { group, key } = found;
    call.group = group;
    if (group.state !== 'listening') return end(call, 503);

    const token = this.#authenticate(call, group);
    if (token === undefined) return undefined;
    call.token = token;
    const url = key === undefined ? undefined : group.urls.get(key);
    if (url === undefined) return end(call, 404);
    if (!mayRead(url, token, exchange.socket)) return end(call, 403);
    const { method, target } = exchange.head;
    if (method !== 'GET' && method !== 'HEAD') return end(call, 405, [['Allow', 'GET, HEAD']]);
    if (target.endsWith(`?${blockListQuery}`)) return this.#serveBlockList(call, url, method);
    const request = toFileRequest(method, exchange.head);
    if (group.connectionLimit !== unlimited && this.runningOf(group) >= group.connectionLimit)
      return end(call, 503, [['Retry-After', '5']]);
    if (this.#serveAtOnce(call, group, url, request)) return undefined;
    return this.#serve(call, group, url, request);
  }

  /** Undefined when the answer is already given: a challenge, or a refusal. */
  #authenticate(call: Call, group: UrlGroup): Token | undefined {
    const { exchange, port, visitor } = call;
    const admission = this.#access.admit(exchange, port, visitor, group);
    if ('status' in admission) return end(call, admission.status, admission.challenges);
    if (admission.responseHeader !== undefined) call.authenticated = admission.responseHeader;
    return admission.token;
  }

  async #serve(call: Call, group: UrlGroup, url: PublishedUrl, request: FileRequest): Promise<void> {
    const { exchange } = call;
    let source: SharedSource;
    try {
      source = await this.#o.sources.acquire(url.sourcePath);
    } catch (error) {
      return end(call, sourceStatus(error));
    }
    await this.#deliver(call, group, url, request, source, () => {
      const { plan, fields } = this.#plan(call, url, request, source.version);
      exchange.begin(plan.status, fields);
      return plan.body ?? [];
    });
  }

  /** Sends what `begin` returns, and releases the source. */
  async #deliver(
    call: Call,
    group: UrlGroup,
    url: PublishedUrl,
    request: FileRequest,
    source: SharedSource,
    begin: () => readonly BodyPart[],
    begun: Begun = { sent: 0, pagesQueued: false },
  ): Promise<void> {
    const { exchange } = call;
    const about = {
      group,
      urlSuffix: url.suffix,
      identity: call.token?.name ?? '',
      range: request.range,
      length: source.version.size,
      started: this.#o.environment.now(),
    };
    const transfer = new Transfer(about, exchange, this.#o.reading, this.#o.now());
    transfer.bytes = begun.sent;
    const number = ++this.#numbers;
    this.#transfers.set(number, transfer);
    call.transfer = transfer;
    try {
      const whole = await this.#send(transfer, source, begin(), exchange, begun.pagesQueued);
      if (!whole) exchange.destroy();
      else if (!exchange.ended) exchange.end();
    } finally {
      this.#transfers.delete(number);
      source.release();
      transfer.finish();
    }
  }

  #plan(call: Call, url: PublishedUrl, request: FileRequest, version: FileVersion) {
    const { facts, link } = this.#facts.of(url, version);
    const plan = planResponse(request, facts, () => boundary(this.#o.environment));
    return { plan, fields: withAuthentication(call, [...Object.entries(plan.headers), ...link]) };
  }

  /** False when it must be done otherwise. */
  #serveAtOnce(call: Call, group: UrlGroup, url: PublishedUrl, request: FileRequest): boolean {
    if (this.#atOnce === undefined || group.bandwidthLimit !== unlimited) return false;
    return this.#atOnce.give({
      exchange: call.exchange,
      url,
      request,
      withMore: (fields) => withAuthentication(call, fields),
      stillAllowed: () => group.state === 'listening' && group.urls.get(url.key) === url,
      given: (length) => {
        call.bytes = length;
      },
      rest: (source, range, begun) =>
        this.#attempt(call, () => this.#deliver(call, group, url, request, source, () => [range], begun)),
      failed: (error) => this.#failed(call, error),
      refused: () => this.#attempt(call, () => this.#serveAnew(call, group, url.key, request)),
    });
  }

  /** What has been looked at before may have changed since. */
  #serveAnew(call: Call, group: UrlGroup, key: string, request: FileRequest): Promise<void> | undefined {
    const url = group.urls.get(key);
    if (group.state !== 'listening') return end(call, 503);
    if (url === undefined) return end(call, 404);
    if (call.token === undefined || !mayRead(url, call.token, call.exchange.socket)) return end(call, 403);
    return this.#serve(call, group, url, request);
  }

  /** 404 where the digests of this version are not known yet, or too many. */
  async #serveBlockList(call: Call, url: PublishedUrl, method: 'GET' | 'HEAD'): Promise<void> {
    let source: SharedSource;
    try {
      source = await this.#o.sources.acquire(url.sourcePath);
    } catch (error) {
      return end(call, sourceStatus(error));
    }
    const { version } = source;
    source.release();
    const digests = this.#o.digests.get(url.sourcePath, version);
    if (digests === undefined || !hasBlockList(digests)) return end(call, 404);
    const document = Buffer.from(blockListDocument(digests, validatorsOf(version).etag, version.size));
    const fields = withAuthentication(call, [
      ['Content-Type', blockListType],
      ['Cache-Control', 'no-store'],
    ]);
    if (method === 'GET') return call.exchange.respond(200, fields, document);
    call.exchange.begin(200, [...fields, ['Content-Length', String(document.length)]]);
    call.exchange.end();
  }

  /** False, with bytes missing, when the connection must be cut. */
  async #send(
    transfer: Transfer,
    { file, version }: SharedSource,
    body: readonly BodyPart[],
    out: Exchange,
    pagesQueued: boolean,
  ): Promise<boolean> {
    const { group } = transfer;
    for (const part of body) {
      if (typeof part === 'string') {
        if (part === body.at(-1)) out.end(Buffer.from(part, 'latin1'));
        else void out.write(Buffer.from(part, 'latin1'));
        continue;
      }
      const whole = await sendFile({
        file,
        version,
        range: part,
        out,
        native: this.#o.native,
        reads: this.#reads,
        pagesQueued,
        last: part === body.at(-1),
        rate: () => (group.bandwidthLimit === unlimited ? Number.POSITIVE_INFINITY : group.bandwidthLimit),
        sent: (bytes) => {
          transfer.bytes += bytes;
        },
        pace: (bytes) => this.#pace(transfer, bytes),
        stopped: () => transfer.stopped,
      });
      if (!whole) return false;
    }
    return true;
  }

  async #pace(transfer: Transfer, bytes: number): Promise<void> {
    const { group } = transfer;
    if (group.bandwidthLimit === unlimited) return;
    let bucket = this.#buckets.get(group);
    if (bucket === undefined) {
      bucket = new BandwidthBucket();
      this.#buckets.set(group, bucket);
    }
    const wait = bucket.reserve(bytes, group.bandwidthLimit, this.#o.now());
    if (wait > 0) await transfer.pause(wait);
  }
}

function toFileRequest(method: 'GET' | 'HEAD', { fields }: RequestHead): FileRequest {
  return {
    method,
    range: fields.get('range'),
    ifMatch: fields.get('if-match'),
    ifNoneMatch: fields.get('if-none-match'),
    ifModifiedSince: fields.get('if-modified-since'),
    ifUnmodifiedSince: fields.get('if-unmodified-since'),
    ifRange: fields.get('if-range'),
  };
}

/** The source is the server's business: a client learns that it is not there, or not now. */
function sourceStatus(error: unknown): number {
  const { code } = CarmineError.from(error);
  return code === 'file/io' || code === 'internal/unexpected' ? 503 : 404;
}

function end(call: Call, status: number, fields: ResponseFields = []): undefined {
  call.exchange.respond(status, withAuthentication(call, fields));
  return undefined;
}

function withAuthentication({ authenticated }: Call, fields: ResponseFields): ResponseFields {
  return authenticated === undefined ? fields : [...fields, ['WWW-Authenticate', authenticated]];
}

/** 144 random bits in characters that RFC 2046 allows without quotes: no file has them. */
function boundary({ randomBytes }: Environment): string {
  return Buffer.from(randomBytes(18)).toString('base64url');
}

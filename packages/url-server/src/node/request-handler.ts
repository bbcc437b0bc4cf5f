import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type AccountLookup,
  type AttemptGate,
  createHttpAcceptor,
  type Environment,
  type HttpAcceptor,
  type HttpAuthOutcome,
  type HttpScheme,
  type KerberosService,
} from '@carmine/auth';
import { verifiedClientCertificate } from '@carmine/auth/node';
import type { UrlTransfer } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { RequestHead, ResponseFields } from '@carmine/http1';
import type { Exchange } from '@carmine/http1/node';
import {
  accessCheck,
  anonymousToken,
  fileGenericRead,
  nobody,
  parseSddl,
  type SecurityDescriptor,
  type Token,
} from '@carmine/security';
import type { AccessRecord } from '../access-record.ts';
import { BandwidthBucket } from '../bandwidth.ts';
import { blockListDocument, blockListLink, blockListQuery, blockListType, hasBlockList } from '../block-list.ts';
import { type PublishedUrl, type UrlGroup, unlimited } from '../group.ts';
import { type BodyPart, type FileRequest, planResponse } from '../plan-response.ts';
import type { ReadingLimits } from '../reading-rate.ts';
import { decodePath, originForm, route } from '../router.ts';
import type { DigestSource } from '../shells.ts';
import { suffixKey } from '../suffix.ts';
import { type FileVersion, validatorsOf } from '../validators.ts';
import type { NativeFile } from './native-file.ts';
import type { PortContext } from './port-listener.ts';
import { sendFile, smallSize } from './send-file.ts';
import type { SharedSource, SharedSources } from './shared-sources.ts';
import { Transfer } from './transfer.ts';

export interface RequestHandlerOptions {
  readonly groups: () => Iterable<UrlGroup>;
  readonly sources: SharedSources;
  /** Undefined: sends without sendfile. */
  readonly native: NativeFile | undefined;
  readonly digests: DigestSource;
  readonly accounts: AccountLookup;
  readonly attempts?: AttemptGate | undefined;
  /** Makes Negotiate accept Kerberos too. */
  readonly kerberos?: KerberosService | undefined;
  /** PEM, one certificate each: clients of https ports are asked for a certificate of theirs; see `wrapAcceptor`. */
  readonly clientAuthorities?: readonly string[] | undefined;
  /** Wraps each new connection's acceptor: for an audit, or to let client certificates count. */
  readonly wrapAcceptor?: ((acceptor: HttpAcceptor, connection: DataConnection) => DataAcceptor) | undefined;
  readonly environment: Environment;
  readonly hostName: string;
  /** Serve groups whose schemes are all off. */
  readonly anonymous: boolean;
  /** Who reads more slowly is cut off. */
  readonly reading: ReadingLimits | undefined;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly requireChannelBinding: boolean;
  readonly warn: (message: string) => void;
  /** Told of every answer when it is over. */
  readonly answered: (record: AccessRecord, group: UrlGroup | undefined) => void;
}

/** A request and what becomes known of it while it is answered. */
interface Call {
  readonly exchange: Exchange;
  readonly port: PortContext;
  group?: UrlGroup;
  identity?: string;
  transfer?: Transfer;
  /** Of the file, in an answer that was given at once. */
  bytes?: number;
  /** The last words of an authentication, which go with any answer. */
  authenticated?: string;
}

/** What `wrapAcceptor` learns of a connection. */
export interface DataConnection {
  readonly source: string;
  /** DER, verified against `clientAuthorities`. */
  readonly clientCertificate: Uint8Array | undefined;
}

/** Who asks? `forbidden` is answered with 403: no other credentials would help. */
export interface DataAcceptor {
  authenticate(authorization: string | undefined): HttpAuthOutcome | { readonly kind: 'forbidden' };
}

/** Answers requests of every port: route, authenticate, look up, check access, then plan and send. */
export class RequestHandler {
  readonly #o: RequestHandlerOptions;
  /** By number, from 1. */
  readonly #transfers = new Map<number, Transfer>();
  #numbers = 0;
  #draining = false;
  readonly #buckets = new WeakMap<UrlGroup, BandwidthBucket>();
  /** Per connection, one acceptor for each set of schemes: groups on one port may differ. */
  readonly #acceptors = new WeakMap<Socket, Map<string, DataAcceptor>>();

  constructor(options: RequestHandlerOptions) {
    this.#o = options;
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
    const call: Call = { exchange, port };
    this.#record(call);
    this.#answer(call).catch((error) => {
      this.#o.warn(`a request failed: ${(error as Error).message}`);
      if (exchange.begun) exchange.destroy();
      else end(call, 503);
    });
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

  #record(call: Call): void {
    const { exchange } = call;
    const { method, target, fields } = exchange.head;
    const [time, started, source] = [this.#o.environment.now(), this.#o.now(), exchange.socket.remoteAddress ?? ''];
    exchange.onOver((whole) => {
      const { group, identity = '', transfer } = call;
      const record: AccessRecord = {
        time: new Date(time).toISOString(),
        source,
        identity,
        method,
        path: target.replace(/[?#].*$/s, ''),
        range: fields.get('range'),
        status: exchange.status,
        bytes: transfer?.bytes ?? call.bytes ?? 0,
        milliseconds: this.#o.now() - started,
        whole,
      };
      this.#o.answered(record, group);
    });
  }

  async #answer(call: Call): Promise<void> {
    const { exchange, port } = call;
    if (this.#draining) {
      exchange.closeAfter();
      return end(call, 503, [['Retry-After', '5']]);
    }
    const { method, target, fields } = exchange.head;
    const origin = originForm(target, port.scheme);
    const path = origin && decodePath(origin.target);
    if (path === undefined) return end(call, 400);
    const host = hostOf(origin?.authority ?? fields.get('host'));
    const localAddress = (exchange.socket.localAddress ?? '').replace(/^::ffff:/, '');
    const found = route(this.#o.groups(), { port: port.port, scheme: port.scheme, host, localAddress, path });
    // HTTP.SYS answers 400 where nothing is registered, 503 where a registration has nobody behind it.
    if (found === undefined) return end(call, 400);
    const { group, suffix } = found;
    call.group = group;
    if (group.state !== 'listening') return end(call, 503);

    const token = this.#authenticate(call, group);
    if (token === undefined) return;
    call.identity = token.name;
    const url = lookUp(group, suffix);
    if (url === undefined) return end(call, 404);
    if (!this.#mayRead(url, token, exchange.socket)) return end(call, 403);
    if (method !== 'GET' && method !== 'HEAD') return end(call, 405, [['Allow', 'GET, HEAD']]);
    const request = toFileRequest(method, exchange.head);
    if (target.endsWith(`?${blockListQuery}`)) await this.#serveBlockList(call, url, method);
    else await this.#serve(call, group, url, request);
  }

  /** Undefined when the answer is already given: a challenge, or a refusal. */
  #authenticate(call: Call, group: UrlGroup): Token | undefined {
    const { exchange, port } = call;
    const { socket } = exchange;
    const source = socket.remoteAddress ?? '';
    const schemes: HttpScheme[] = [
      ...(group.negotiate ? (['negotiate'] as const) : []),
      ...(group.ntlm ? (['ntlm'] as const) : []),
    ];
    const byCertificate = this.#o.clientAuthorities !== undefined && port.scheme === 'https';
    if (schemes.length > 0 || byCertificate) {
      const acceptor = this.#acceptorFor(socket, schemes, port, source);
      const outcome = acceptor.authenticate(exchange.head.fields.get('authorization'));
      if (outcome.kind === 'accepted') {
        if (outcome.responseHeader !== undefined) call.authenticated = outcome.responseHeader;
        return outcome.token;
      }
      if (schemes.length > 0 && outcome.kind !== 'forbidden') {
        end(
          call,
          401,
          outcome.headers.map((header) => ['WWW-Authenticate', header]),
        );
        return undefined;
      }
    }
    if (schemes.length === 0 && this.#o.anonymous) return anonymousToken(source);
    end(call, 403);
    return undefined;
  }

  #acceptorFor(socket: Socket, schemes: readonly HttpScheme[], port: PortContext, source: string): DataAcceptor {
    let acceptors = this.#acceptors.get(socket);
    if (acceptors === undefined) {
      acceptors = new Map();
      this.#acceptors.set(socket, acceptors);
    }
    const key = schemes.join();
    let acceptor = acceptors.get(key);
    if (acceptor === undefined) {
      const { accounts, attempts, clientAuthorities, environment, hostName, kerberos, requireChannelBinding } = this.#o;
      const channelBinding = port.channelBinding(socket);
      const created = createHttpAcceptor({
        schemes,
        accounts,
        attempts,
        kerberos,
        environment,
        hostName,
        realm: 'Carmine',
        source,
        secureTransport: port.scheme === 'https',
        // Data is protected by TLS or not at all, never by NTLM's keys.
        authenticationOnly: true,
        channelBinding,
        requireChannelBinding: requireChannelBinding && port.scheme === 'https',
      });
      const clientCertificate = clientAuthorities === undefined ? undefined : verifiedClientCertificate(socket);
      acceptor = this.#o.wrapAcceptor?.(created, { source, clientCertificate }) ?? created;
      acceptors.set(key, acceptor);
    }
    return acceptor;
  }

  /** FILE_GENERIC_READ against the URL's descriptor, and the certificate that it may ask for. */
  #mayRead(url: PublishedUrl, token: Token, socket: Socket): boolean {
    if (token === nobody) return false;
    if (url.certificateHash !== undefined && clientThumbprint(socket) !== url.certificateHash) return false;
    return url.sddl === '' || accessCheck(descriptorOf(url), token, fileGenericRead);
  }

  async #serve(call: Call, group: UrlGroup, url: PublishedUrl, request: FileRequest): Promise<void> {
    const { exchange } = call;
    if (group.connectionLimit !== unlimited && this.runningOf(group) >= group.connectionLimit)
      return end(call, 503, [['Retry-After', '5']]);
    if (this.#serveAtOnce(call, group, url, request)) return;
    let source: SharedSource;
    try {
      source = await this.#o.sources.acquire(url.sourcePath);
    } catch (error) {
      return end(call, sourceStatus(error));
    }
    const { version } = source;
    const about = {
      group,
      urlSuffix: url.suffix,
      identity: call.identity ?? '',
      range: request.range,
      length: version.size,
      started: this.#o.environment.now(),
    };
    const transfer = new Transfer(about, exchange, this.#o.reading, this.#o.now());
    const number = ++this.#numbers;
    this.#transfers.set(number, transfer);
    call.transfer = transfer;
    try {
      const { plan, fields } = this.#plan(call, url, request, version);
      exchange.begin(plan.status, fields);
      if (plan.body === undefined) {
        exchange.end();
        return;
      }
      const whole = await this.#send(transfer, source, plan.body, exchange);
      if (!whole) exchange.destroy();
      else if (!exchange.ended) exchange.end();
    } finally {
      this.#transfers.delete(number);
      source.release();
      transfer.finish();
    }
  }

  #plan(call: Call, url: PublishedUrl, request: FileRequest, version: FileVersion) {
    const digests = this.#o.digests.get(url.sourcePath, version);
    const facts = { size: version.size, validators: validatorsOf(version), sha256: digests?.sha256 };
    const plan = planResponse(request, facts, () => boundary(this.#o.environment));
    const fields: (readonly [string, string])[] = Object.entries(plan.headers);
    if (digests !== undefined && hasBlockList(digests)) fields.push(['Link', blockListLink]);
    return { plan, fields: withAuthentication(call, fields) };
  }

  /**
   * Answers a small range of a file that is open and in memory in one write, with nothing to wait for and so nothing to end
   * from outside. One look at the path, after the read, tells both that it leads to this file and that the file is as it was.
   */
  #serveAtOnce(call: Call, group: UrlGroup, url: PublishedUrl, request: FileRequest): boolean {
    const { native } = this.#o;
    if (native === undefined || request.range === undefined || group.bandwidthLimit !== unlimited) return false;
    const source = this.#o.sources.recent(url.sourcePath);
    if (source === undefined) return false;
    const { plan, fields } = this.#plan(call, url, request, source.version);
    const [part, ...others] = plan.body ?? [];
    if (part === undefined || typeof part === 'string' || others.length > 0) return false;
    const length = part.last - part.first + 1;
    if (length > smallSize) return false;
    return call.exchange.respondFilled(plan.status, fields, length, (target) => {
      const whole = native.readResident(source.file.fd, target, length, part.first) === length && source.isCurrent();
      if (whole) call.bytes = length;
      return whole;
    });
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

/** Parsed once: a URL never changes, another takes its place. */
function descriptorOf(url: PublishedUrl): SecurityDescriptor {
  let descriptor = descriptors.get(url);
  if (descriptor === undefined) {
    descriptor = parseSddl(url.sddl);
    descriptors.set(url, descriptor);
  }
  return descriptor;
}

const descriptors = new WeakMap<PublishedUrl, SecurityDescriptor>();

function lookUp(group: UrlGroup, suffix: string): PublishedUrl | undefined {
  try {
    return group.urls.get(suffixKey(suffix));
  } catch {
    return undefined;
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

function clientThumbprint(socket: Socket): string | undefined {
  const certificate = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate() : undefined;
  return certificate?.fingerprint?.replaceAll(':', '').toLowerCase();
}

function hostOf(header: string | undefined): string {
  return (header ?? '').replace(/:\d*$/, '').toLowerCase();
}

function end(call: Call, status: number, fields: ResponseFields = []): void {
  call.exchange.respond(status, withAuthentication(call, fields));
}

function withAuthentication({ authenticated }: Call, fields: ResponseFields): ResponseFields {
  return authenticated === undefined ? fields : [...fields, ['WWW-Authenticate', authenticated]];
}

/** 144 random bits in characters that RFC 2046 allows without quotes: no file has them. */
function boundary({ randomBytes }: Environment): string {
  return Buffer.from(randomBytes(18)).toString('base64url');
}

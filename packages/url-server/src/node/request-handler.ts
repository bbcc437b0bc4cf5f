import type { IncomingMessage, ServerResponse } from 'node:http';
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
import { CarmineError } from '@carmine/errors';
import { accessCheck, anonymousToken, fileGenericRead, nobody, parseSddl, type Token } from '@carmine/security';
import type { AccessRecord } from '../access-record.ts';
import { BandwidthBucket } from '../bandwidth.ts';
import { type PublishedUrl, type UrlGroup, unlimited } from '../group.ts';
import { type BodyPart, type FileRequest, planResponse } from '../plan-response.ts';
import type { ReadingLimits } from '../reading-rate.ts';
import { decodePath, route } from '../router.ts';
import type { DigestSource } from '../shells.ts';
import { suffixKey } from '../suffix.ts';
import { validatorsOf } from '../validators.ts';
import type { NativeFile } from './native-file.ts';
import type { PortContext } from './port-listener.ts';
import { sendFile } from './send-file.ts';
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

/** What becomes known of a request while it is answered. */
interface Exchange {
  group?: UrlGroup;
  identity?: string;
  transfer?: Transfer;
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
  readonly #transfers = new Set<Transfer>();
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
    for (const transfer of this.#transfers) if (transfer.group === group) count++;
    return count;
  }

  /** From now on requests are refused; resolves when the answers that are being sent are over. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#transfers.size > 0) await Promise.all([...this.#transfers].map((transfer) => transfer.done));
  }

  handle(request: IncomingMessage, response: ServerResponse, port: PortContext): void {
    // A body is never wanted; it is read and dropped so that the connection can go on.
    request.resume();
    response.on('error', () => {});
    const exchange: Exchange = {};
    this.#record(request, response, exchange);
    this.#answer(request, response, port, exchange).catch((error) => {
      this.#o.warn(`a request failed: ${(error as Error).message}`);
      if (response.headersSent) response.destroy();
      else end(response, 503);
    });
  }

  /** Cuts off who reads too slowly; to be called every `rateInterval`. */
  checkRates(): void {
    const now = this.#o.now();
    for (const transfer of this.#transfers) transfer.checkRate(now, this.#o.native);
  }

  /** Ends the answers of a group; resolves when their connections are cut. */
  async endTransfers(group: UrlGroup): Promise<void> {
    const mine = [...this.#transfers].filter((transfer) => transfer.group === group);
    for (const transfer of mine) transfer.stop();
    await Promise.all(mine.map((transfer) => transfer.done));
  }

  #record(request: IncomingMessage, response: ServerResponse, exchange: Exchange): void {
    const [time, started, source] = [this.#o.environment.now(), this.#o.now(), request.socket.remoteAddress ?? ''];
    response.once('close', () => {
      const { group, identity = '', transfer } = exchange;
      const record: AccessRecord = {
        time: new Date(time).toISOString(),
        source,
        identity,
        method: request.method ?? '',
        path: (request.url ?? '').replace(/[?#].*$/s, ''),
        range: request.headers.range,
        status: response.headersSent ? response.statusCode : 0,
        bytes: transfer?.bytes ?? 0,
        milliseconds: this.#o.now() - started,
        whole: response.writableFinished,
      };
      this.#o.answered(record, group);
    });
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    port: PortContext,
    exchange: Exchange,
  ): Promise<void> {
    if (this.#draining) return end(response, 503, { Connection: 'close', 'Retry-After': '5' });
    const path = decodePath(request.url ?? '');
    if (path === undefined) return end(response, 400);
    const host = hostOf(request.headers.host);
    const localAddress = (request.socket.localAddress ?? '').replace(/^::ffff:/, '');
    const found = route(this.#o.groups(), { port: port.port, scheme: port.scheme, host, localAddress, path });
    // HTTP.SYS answers 400 where nothing is registered, 503 where a registration has nobody behind it.
    if (found === undefined) return end(response, 400);
    const { group, suffix } = found;
    exchange.group = group;
    if (group.state !== 'listening') return end(response, 503);

    const token = this.#authenticate(request, response, group, port);
    if (token === undefined) return;
    exchange.identity = token.name;
    const url = lookUp(group, suffix);
    if (url === undefined) return end(response, 404);
    if (!this.#mayRead(url, token, request.socket)) return end(response, 403);
    const { method } = request;
    if (method !== 'GET' && method !== 'HEAD') return end(response, 405, { Allow: 'GET, HEAD' });
    await this.#serve(group, url, toFileRequest(method, request), response, exchange);
  }

  /** Undefined when the answer is already given: a challenge, or a refusal. */
  #authenticate(
    request: IncomingMessage,
    response: ServerResponse,
    group: UrlGroup,
    port: PortContext,
  ): Token | undefined {
    const source = request.socket.remoteAddress ?? '';
    const schemes: HttpScheme[] = [
      ...(group.negotiate ? (['negotiate'] as const) : []),
      ...(group.ntlm ? (['ntlm'] as const) : []),
    ];
    const byCertificate = this.#o.clientAuthorities !== undefined && port.scheme === 'https';
    if (schemes.length > 0 || byCertificate) {
      const acceptor = this.#acceptorFor(request.socket, schemes, port, source);
      const outcome = acceptor.authenticate(request.headers.authorization);
      if (outcome.kind === 'accepted') {
        if (outcome.responseHeader !== undefined) response.setHeader('WWW-Authenticate', outcome.responseHeader);
        return outcome.token;
      }
      if (schemes.length > 0 && outcome.kind !== 'forbidden') {
        end(response, 401, { 'WWW-Authenticate': [...outcome.headers] });
        return undefined;
      }
    }
    if (schemes.length === 0 && this.#o.anonymous) return anonymousToken(source);
    end(response, 403);
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
    return url.sddl === '' || accessCheck(parseSddl(url.sddl), token, fileGenericRead);
  }

  async #serve(
    group: UrlGroup,
    url: PublishedUrl,
    request: FileRequest,
    response: ServerResponse,
    exchange: Exchange,
  ): Promise<void> {
    if (group.connectionLimit !== unlimited && this.runningOf(group) >= group.connectionLimit)
      return end(response, 503, { 'Retry-After': '5' });
    let source: SharedSource;
    try {
      source = await this.#o.sources.acquire(url.sourcePath);
    } catch (error) {
      return end(response, sourceStatus(error));
    }
    const { version } = source;
    const transfer = new Transfer(group, response, this.#o.reading, this.#o.now());
    this.#transfers.add(transfer);
    exchange.transfer = transfer;
    try {
      const sha256 = this.#o.digests.get(url.sourcePath, version);
      const facts = { size: version.size, validators: validatorsOf(version), sha256 };
      const plan = planResponse(request, facts, () => boundary(this.#o.environment));
      response.writeHead(plan.status, plan.headers);
      if (plan.body === undefined) {
        response.end();
        return;
      }
      const whole = await this.#send(transfer, source, plan.body, response);
      if (!whole) response.destroy();
      else if (!response.writableEnded) response.end();
    } finally {
      this.#transfers.delete(transfer);
      source.release();
      transfer.finish();
    }
  }

  /** False, with bytes missing, when the connection must be cut. */
  async #send(
    transfer: Transfer,
    { file, version }: SharedSource,
    body: readonly BodyPart[],
    out: ServerResponse,
  ): Promise<boolean> {
    const { group } = transfer;
    for (const part of body) {
      if (typeof part === 'string') {
        out.write(part, 'latin1');
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

function lookUp(group: UrlGroup, suffix: string): PublishedUrl | undefined {
  try {
    return group.urls.get(suffixKey(suffix));
  } catch {
    return undefined;
  }
}

function toFileRequest(method: 'GET' | 'HEAD', { headers }: IncomingMessage): FileRequest {
  const single = (value: string | string[] | undefined) => (typeof value === 'string' ? value : undefined);
  return {
    method,
    range: headers.range,
    ifMatch: headers['if-match'],
    ifNoneMatch: headers['if-none-match'],
    ifModifiedSince: headers['if-modified-since'],
    ifUnmodifiedSince: headers['if-unmodified-since'],
    ifRange: single(headers['if-range']),
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

function end(response: ServerResponse, status: number, headers: Record<string, string | string[]> = {}): void {
  response.writeHead(status, { ...headers, 'Content-Length': '0' });
  response.end();
}

/** 144 random bits in characters that RFC 2046 allows without quotes: no file has them. */
function boundary({ randomBytes }: Environment): string {
  return Buffer.from(randomBytes(18)).toString('base64url');
}

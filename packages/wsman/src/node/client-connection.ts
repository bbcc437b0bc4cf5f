import { performance } from 'node:perf_hooks';
import { TLSSocket } from 'node:tls';
import {
  createHttpInitiator,
  type Environment,
  type HttpInitiator,
  type HttpScheme,
  type Logon,
  type ServiceTicket,
  tlsServerEndPoint,
} from '@carmine/auth';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { buildConnector, Client } from 'undici';
import type { ExchangeRequest, ExchangeResponse } from '../client/types.ts';
import { parseContentType } from '../protocol/content-type.ts';
import { isSealed, kerberosProtocol, openSealed, sealMessage, spnegoProtocol } from '../protocol/sealed.ts';
import { responseLimits } from '../xml/limits.ts';
import { transportError } from './transport-error.ts';

export interface ClientConnectionOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  readonly target: string;
  readonly secureTransport: boolean;
  readonly logon: Logon;
  /** Most preferred first; without meaning for a certificate. */
  readonly schemes: readonly HttpScheme[];
  readonly environment: Environment;
  /** Without brackets for IPv6. */
  readonly host: string;
  /** First part of the service's name: in tickets, and in what NTLM states. */
  readonly services: { readonly kerberos: string; readonly ntlm: string };
  /** PEM of trusted authorities; those of the system unless given. */
  readonly trust: readonly string[] | undefined;
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly exchangeTimeout: number;
}

/**
 * Thrown when an established connection turned out to be of no use any more. `processed` tells whether the server can
 * have acted on the request.
 */
export class StaleConnection extends Error {
  readonly processed: 'no' | 'unknown';

  constructor(processed: 'no' | 'unknown', cause: unknown) {
    super('the connection is stale', { cause });
    this.processed = processed;
  }
}

/**
 * One connection: authenticated once, because Negotiate and NTLM belong to the connection and their seals have an order,
 * then used for one exchange after the other. When the socket is gone or an exchange failed it is not used again.
 */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #client: Client;
  /** There from the first exchange on, but for a certificate. */
  #initiator: HttpInitiator | undefined;
  #ticket: ServiceTicket | undefined;
  #socket: object | undefined;
  #channelBinding: Uint8Array | undefined;
  /** The socket that is authenticated. */
  #authenticated: object | undefined;
  /** Authorization for the next request, when the challenge's answer was not yet sent (Basic, Digest). */
  #pending: string | undefined;
  #usable = true;
  #used = false;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    const { logon } = options;
    const connect = buildConnector({
      timeout: options.connectTimeout,
      allowH2: false,
      ...(options.trust === undefined ? {} : { ca: [...options.trust] }),
      ...(logon.kind === 'certificate' ? { cert: logon.certificate, key: logon.privateKey } : {}),
    });
    this.#client = new Client(options.origin, {
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: 60_000,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: responseLimits.octets + 4096,
      connect: (target, callback) =>
        connect(target, (...result) => {
          const [error, socket] = result;
          if (error === null) this.#connected(socket);
          callback(...result);
        }),
    });
    this.#client.on('disconnect', () => {
      this.#socket = undefined;
    });
  }

  /** False when it must be thrown away. */
  get usable(): boolean {
    return this.#usable && (this.#authenticated === undefined || this.#authenticated === this.#socket);
  }

  /** Throws `StaleConnection` when only this connection is at fault, else the error of the exchange. */
  async exchange(request: ExchangeRequest): Promise<ExchangeResponse> {
    const deadline = AbortSignal.timeout(this.#options.exchangeTimeout);
    const signal = request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
    const fresh = !this.#used;
    this.#used = true;
    const started = performance.now();
    try {
      if (fresh) await this.#authenticate(signal);
      return await this.#send(request, signal, fresh);
    } catch (error) {
      this.#usable = false;
      if (request.signal?.aborted === true) throw new CarmineError('internal/aborted', { cause: error });
      if (deadline.aborted) {
        const milliseconds = Math.round(performance.now() - started);
        throw new CarmineError('wsman/timed-out', { context: { milliseconds }, cause: error });
      }
      if (error instanceof StaleConnection) throw error;
      // A service may have got another key meanwhile: then the next ticket has to be a new one.
      if (isCarmineError(error, 'auth/failed')) this.#forgetTicket();
      throw transportError(error, this.#options.target);
    }
  }

  async close(): Promise<void> {
    this.#usable = false;
    await this.#client.destroy();
  }

  #connected(socket: object): void {
    this.#socket = socket;
    if (!(socket instanceof TLSSocket)) return;
    const certificate = socket.getPeerX509Certificate();
    this.#channelBinding = certificate === undefined ? undefined : tlsServerEndPoint(certificate.raw);
  }

  /** Kerberos has to ask for a ticket first. */
  async #createInitiator(signal: AbortSignal): Promise<HttpInitiator | undefined> {
    const { logon, schemes, environment, host, secureTransport, services } = this.#options;
    if (logon.kind === 'certificate') return undefined;
    const ticket = await logon.tickets?.obtain({ service: services.kerberos, host, signal });
    this.#ticket = ticket;
    return createHttpInitiator({
      ...(logon.kind === 'kerberos' ? {} : { credentials: logon }),
      ...(ticket === undefined ? {} : { kerberos: { ticket } }),
      schemes,
      environment,
      host,
      service: services.ntlm,
      secureTransport,
      channelBinding: () => this.#channelBinding,
    });
  }

  #forgetTicket(): void {
    const { logon } = this.#options;
    if (logon.kind !== 'certificate' && this.#ticket !== undefined) logon.tickets?.forget(this.#ticket);
  }

  /**
   * Empty requests until the server is content; Basic and Digest need none once the challenge is known. Windows closes
   * the connection after the very first 401, which does not matter: the exchange begins with the next one.
   */
  async #authenticate(signal: AbortSignal): Promise<void> {
    const initiator = await this.#createInitiator(signal);
    if (initiator === undefined) return;
    this.#initiator = initiator;
    this.#pending = initiator.initial(requestLine);
    if (this.#pending !== undefined) return;
    let authorization: string | undefined;
    for (let leg = 0; leg < maxLegs; leg++) {
      const { status, challenges } = await this.#post(new Uint8Array(0), soapType, authorization, signal);
      if (status !== 401) {
        if (status !== 200) throw new CarmineError('wsman/http', { context: { status } });
        initiator.finish(challenges);
        this.#authenticated = this.#socket;
        return;
      }
      authorization = initiator.next(challenges, requestLine);
      if (/^(basic|digest) /i.test(authorization)) {
        this.#pending = authorization;
        return;
      }
    }
    throw new CarmineError('auth/failed');
  }

  async #send(request: ExchangeRequest, signal: AbortSignal, fresh: boolean): Promise<ExchangeResponse> {
    const initiator = this.#initiator;
    if (initiator === undefined) return await this.#sendCertified(request, signal, fresh);
    const { context } = initiator;
    const { secureTransport } = this.#options;
    if (context === undefined && !secureTransport) throw new CarmineError('auth/no-common-mechanism');
    if (this.#authenticated !== undefined && this.#authenticated !== this.#socket)
      throw new StaleConnection('no', undefined);
    const seal = context !== undefined && !secureTransport;
    const { body, contentType } = seal
      ? sealMessage(context, request.body, request.contentType, {
          protocol: context.mechanism === 'kerberos' ? kerberosProtocol : spnegoProtocol,
          tab: true,
        })
      : request;
    let authorization = this.#pending ?? initiator.initial(requestLine);
    this.#pending = undefined;
    let response = await this.#postOnce(body, contentType, authorization, signal, fresh);
    if (response.status === 401 && context !== undefined) {
      // The server has forgotten who we are: it did nothing with the request.
      throw fresh ? new CarmineError('auth/failed') : new StaleConnection('no', undefined);
    }
    if (response.status === 401) {
      // Digest with a stale nonce goes on; anything else is refused here.
      authorization = initiator.next(response.challenges, requestLine);
      response = await this.#postOnce(body, contentType, authorization, signal, fresh);
    }
    if (response.status === 200 && context === undefined) initiator.finish(response.challenges);
    const answered = parseContentType(response.contentType);
    if (isSealed(answered)) {
      if (context === undefined)
        throw new CarmineError('wsman/unexpected', { context: { reason: 'a sealed message' } });
      const opened = openSealed(context, response.body, answered);
      return { status: response.status, contentType: opened.contentType, body: opened.body };
    }
    if (seal && response.body.length > 0)
      throw new CarmineError('wsman/unexpected', { context: { reason: 'an answer that is not sealed' } });
    return response;
  }

  /** TLS has said who we are; the header says that this is meant, so that nobody asks for anything else. */
  async #sendCertified(request: ExchangeRequest, signal: AbortSignal, fresh: boolean): Promise<ExchangeResponse> {
    const response = await this.#postOnce(request.body, request.contentType, mutualProfile, signal, fresh);
    // A certificate that does not count is answered with one of these and no fault; a fault has a body.
    if (response.status === 401 || (response.status === 403 && response.body.length === 0))
      throw new CarmineError('auth/failed');
    return response;
  }

  /** On a connection that was used before, a broken socket may just have been closed by the server meanwhile. */
  async #postOnce(
    body: Uint8Array,
    contentType: string,
    authorization: string | undefined,
    signal: AbortSignal,
    fresh: boolean,
  ): Promise<RawResponse> {
    try {
      return await this.#post(body, contentType, authorization, signal);
    } catch (error) {
      if (fresh || signal.aborted) throw error;
      throw new StaleConnection('unknown', error);
    }
  }

  async #post(
    body: Uint8Array,
    contentType: string,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<RawResponse> {
    const response = await this.#client.request({
      method: requestLine.method,
      path: requestLine.uri,
      headers: {
        'content-type': contentType,
        'user-agent': 'Carmine',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body,
      signal,
    });
    return {
      status: response.statusCode,
      contentType: first(response.headers['content-type']),
      challenges: list(response.headers['www-authenticate']),
      body: new Uint8Array(await response.body.arrayBuffer()),
    };
  }
}

interface RawResponse extends ExchangeResponse {
  readonly challenges: readonly string[];
}

function list(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function first(value: string | string[] | undefined): string | undefined {
  return list(value)[0];
}

/** openwsmand answers exactly this path only. */
const requestLine = { method: 'POST', uri: '/wsman' } as const;
const soapType = 'application/soap+xml;charset=UTF-8';
/** DSP0226 C.3.5, the hint of profile https/mutual. */
const mutualProfile = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';
const maxLegs = 6;

import type { HttpAcceptor, HttpAuthOutcome, SecurityContext } from '@carmine/auth';
import type { Token } from '@carmine/security';
import { parseContentType } from '../protocol/content-type.ts';
import { isSealed, type OpenedMessage, openSealed, sealMessage } from '../protocol/sealed.ts';
import type { WsmanServer } from './server.ts';
import type { WsmanResponse } from './types.ts';
import type { Abortable } from './with-timeout.ts';

/** The head of an HTTP request, as far as it matters here. */
export interface HttpHead {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  /** Undefined with a chunked body. */
  readonly contentLength: number | undefined;
  readonly soapAction: string | undefined;
  /** The header `WSMANIDENTIFY`. */
  readonly identify: string | undefined;
}

/** An HTTP response. Content-Length is the shell's business. */
export interface HttpReply {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  /** One WWW-Authenticate line each. */
  readonly wwwAuthenticate: readonly string[];
  /** The connection must not be used again. */
  readonly close: boolean;
}

/**
 * What to do with a request once its head is known. Nothing of a body is looked at before its sender is known:
 * `reply` means that a body, if there is one, is thrown away unread.
 */
export type HttpDecision =
  | { readonly kind: 'reply'; readonly reply: HttpReply }
  | {
      readonly kind: 'body';
      /** `gone`: its signal aborts when nobody waits for the reply any more. */
      finish(body: Uint8Array, gone: Abortable): Promise<HttpReply>;
    };

/** One HTTP connection, without its socket: authentication belongs to it (spec: section 3.3). */
export interface WsmanConnection {
  /** Requests must be given in their order, each only after the one before has been answered. */
  begin(head: HttpHead): HttpDecision;
  /** Octets that a body may have. */
  readonly bodyLimit: number;
}

/**
 * What an acceptor says: that of HTTP authentication, or 403, when the client certificate that a request relies on is missing
 * or not accepted (DSP0226 C.3.5). `attempted`: whose it is, if there is one.
 */
export type WsmanAuthOutcome =
  | HttpAuthOutcome
  | { readonly kind: 'forbidden'; readonly attempted?: string | undefined };

/** An HttpAcceptor that may also know client certificates. */
export interface WsmanAcceptor extends Pick<HttpAcceptor, 'context'> {
  authenticate(authorization: string | undefined): WsmanAuthOutcome;
}

export interface WsmanConnectionOptions {
  readonly server: WsmanServer;
  readonly acceptor: WsmanAcceptor;
  readonly secureTransport: boolean;
  /** Answer Identify to anybody who asks for it with `WSMANIDENTIFY: unauthenticated`. */
  readonly anonymousIdentify: boolean;
}

export function createWsmanConnection(options: WsmanConnectionOptions): WsmanConnection {
  const { server, acceptor, secureTransport } = options;
  const bodyLimit = server.limits.xml.octets + frameAllowance;

  function begin(head: HttpHead): HttpDecision {
    if (!/^\/wsman\/?(\?|$)/i.test(head.url)) return reply(404);
    if (head.method !== 'POST') return reply(405);
    if ((head.contentLength ?? 0) > bodyLimit) return reply(413, { close: true });
    if (options.anonymousIdentify && head.authorization === undefined && isAnonymousIdentify(head))
      return { kind: 'reply', reply: withBody(server.identifyAnonymously(), []) };
    const outcome = acceptor.authenticate(head.authorization);
    if (outcome.kind === 'forbidden') return reply(403);
    if (outcome.kind !== 'accepted') return reply(401, { wwwAuthenticate: outcome.headers });
    const wwwAuthenticate = outcome.responseHeader === undefined ? [] : [outcome.responseHeader];
    // The last leg of an exchange often has no body; the context is there from now on.
    if (head.contentLength === 0) return reply(200, { wwwAuthenticate });
    const { context } = acceptor;
    return {
      kind: 'body',
      finish: (body, gone) => finish(head, body, outcome.token, context, wwwAuthenticate, gone),
    };
  }

  async function finish(
    head: HttpHead,
    body: Uint8Array,
    token: Token,
    context: SecurityContext | undefined,
    wwwAuthenticate: readonly string[],
    gone: Abortable,
  ): Promise<HttpReply> {
    if (body.length === 0) return empty(200, { wwwAuthenticate });
    const contentType = parseContentType(head.contentType);
    const { soapAction } = head;
    if (!isSealed(contentType)) {
      const response = await server.handle({
        body,
        contentType: head.contentType,
        token: { ...token, protectedChannel: secureTransport },
        soapAction,
        get signal() {
          return gone.signal;
        },
      });
      return withBody(response, wwwAuthenticate);
    }
    // UNSPECIFIED: what is wrong with a seal gets 400 and the end of the connection, whose keys are out of step.
    if (context === undefined) return empty(400, { close: true });
    let opened: OpenedMessage;
    try {
      opened = openSealed(context, body, contentType);
    } catch {
      return empty(400, { close: true });
    }
    const response = await server.handle({
      body: opened.body,
      contentType: opened.contentType,
      token: { ...token, protectedChannel: true },
      soapAction,
      get signal() {
        return gone.signal;
      },
    });
    if (response.body.length === 0) return withBody(response, wwwAuthenticate);
    const sealed = sealMessage(context, response.body, response.contentType ?? soapType, opened.style);
    return withBody({ status: response.status, ...sealed }, wwwAuthenticate);
  }

  return { begin, bodyLimit };
}

/** What Test-WSMan sends without credentials (spec: section 7.1). */
function isAnonymousIdentify(head: HttpHead): boolean {
  return head.identify?.trim().toLowerCase() === 'unauthenticated';
}

function reply(status: number, rest?: Partial<HttpReply>): HttpDecision {
  return { kind: 'reply', reply: empty(status, rest) };
}

function empty(status: number, rest: Partial<HttpReply> = {}): HttpReply {
  return { status, contentType: undefined, body: nothing, wwwAuthenticate: [], close: false, ...rest };
}

function withBody(response: WsmanResponse, wwwAuthenticate: readonly string[]): HttpReply {
  return { ...response, wwwAuthenticate, close: false };
}

const soapType = 'application/soap+xml;charset=UTF-8';
const nothing = new Uint8Array(0);
/** Octets around a sealed message: part headers, signature, padding. */
const frameAllowance = 4096;

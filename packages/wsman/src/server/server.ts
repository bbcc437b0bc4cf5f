import { bitsNamespace } from '@carmine/cim';
import { isCarmineError } from '@carmine/errors';
import { parseContentType } from '../protocol/content-type.ts';
import { type Envelope, readEnvelope } from '../protocol/envelope.ts';
import { faultFromError } from '../protocol/fault-mapping.ts';
import { carriedFault, type Fault, faultError } from '../protocol/faults.ts';
import { actions, namespaces } from '../protocol/names.ts';
import { type ResponseHead, writeFault, writeResponse } from '../protocol/write-envelope.ts';
import { child, trimmedText, type XmlElement } from '../xml/element.ts';
import {
  charsetName,
  type DecodedText,
  decodeText,
  encodedLength,
  encodeText,
  type XmlEncoding,
} from '../xml/encoding.ts';
import { parseXml } from '../xml/parse.ts';
import { Skeletons } from '../xml/skeletons.ts';
import { writeElement } from '../xml/write-element.ts';
import { getClass } from './class-schema.ts';
import { enumerate, pull, release } from './enumeration.ts';
import { EnumerationStore } from './enumeration-store.ts';
import { Eventing } from './eventing/eventing.ts';
import { pullEvents } from './eventing/pull-events.ts';
import { getStatus, renew, subscribe, unsubscribe } from './eventing/subscribe.ts';
import { fragmentOperation } from './fragment.ts';
import { writeIdentify } from './identify.ts';
import { invoke, methodOf } from './invoke.ts';
import { defaultWsmanLimits, type WsmanLimits } from './limits.ts';
import { checkUnderstood, isOptionSet, messageIdOf, type RequestHeaders, readHeaders } from './request-headers.ts';
import { findTarget } from './target.ts';
import { get, put, remove } from './transfer.ts';
import type {
  Operation,
  Reply,
  Target,
  WsmanHandler,
  WsmanRequest,
  WsmanResponse,
  WsmanServerOptions,
} from './types.ts';
import { withTimeout } from './with-timeout.ts';

/** The WS-Management service, without sockets. */
export interface WsmanServer {
  /** Answers one request. Never throws for what a peer sent. */
  readonly handle: WsmanHandler;
  /** What an unauthenticated Identify gets, where that is allowed: no version, no profiles ([MS-WSMV] 3.1.4.1.23). */
  identifyAnonymously(): WsmanResponse;
  readonly limits: WsmanLimits;
  /** Drops enumerations and subscriptions that expired; the shell calls it now and then. */
  sweep(): void;
  /**
   * Ends all subscriptions, so that no Pull waits any longer; who gets them pushed is told if he wanted to be. Resolves when he has
   * been. To be called when the service stops, beside closing its listeners.
   */
  endSubscriptions(): Promise<void>;
  /** Ends all enumerations and subscriptions. */
  close(): void;
}

/**
 * Makes a service. The order of checks: protection of the channel, size, the caller's right to manage, and only then
 * the message itself.
 */
export function createWsmanServer(options: WsmanServerOptions): WsmanServer {
  const { dispatcher, environment, identity } = options;
  const limits: WsmanLimits = { ...defaultWsmanLimits, ...options.limits };
  const machine = options.machine ?? '';
  const defaultNamespace = options.defaultNamespace ?? bitsNamespace;
  const skeletons = new Skeletons(limits.xml);
  const store = new EnumerationStore(limits, environment);
  const eventing = new Eventing({ limits, environment, sink: options.push, onUndeliverable: options.onUndeliverable });
  const identified = encodings(writeIdentify(identity, options.securityProfiles ?? defaultProfiles));
  const anonymous = success(writeIdentify({ ...identity, version: anonymousVersion }, []), 'utf-8');

  async function handle(request: WsmanRequest): Promise<WsmanResponse> {
    // AllowUnencrypted is false, always: HTTP 500 without a body ([MS-WSMV] 3.1.4.1.29.1).
    if (!request.token.protectedChannel) return withoutBody(500);
    if (request.body.length > limits.xml.octets) return withoutBody(413);
    const mayManage = dispatcher.mayManage(request.token);
    if (!mayManage) options.onDenied?.(request.token);
    let encoding: XmlEncoding = 'utf-8';
    let relatesTo: string | undefined;
    try {
      const contentType = parseContentType(request.contentType);
      if (mayManage && contentType.mediaType !== soapType) return withoutBody(415);
      const decoded = decode(request.body, contentType.charset);
      // R13.1-8: contradictory or insufficient information about the encoding.
      if (decoded === undefined)
        return mayManage ? withoutBody(400) : failure({ name: 'accessDenied' }, encoding, relatesTo);
      encoding = decoded.encoding;
      const envelope = readEnvelope(mayManage ? skeletons.parse(decoded.text) : parseXml(decoded.text, limits.xml));
      relatesTo = messageIdOf(envelope.headers);
      if (!mayManage) throw faultError('accessDenied');
      checkUnderstood(envelope.headers);
      if (isIdentify(envelope)) return identified[encoding];
      return await answer(request, envelope, encoding, relatesTo);
    } catch (error) {
      if (!mayManage) return failure({ name: 'accessDenied' }, encoding, relatesTo);
      return failure(faultOf(error), encoding, relatesTo);
    }
  }

  async function answer(
    request: WsmanRequest,
    envelope: Envelope,
    textEncoding: XmlEncoding,
    relatesTo: string | undefined,
  ): Promise<WsmanResponse> {
    const headers = readHeaders(envelope.headers, limits);
    checkSoapAction(request.soapAction, headers.action);
    const target = findTarget(headers, dispatcher.schema, defaultNamespace);
    const operation = selectOperation(headers, target, envelope.content);
    const head: Omit<ResponseHead, 'action'> = {
      messageId: newMessageId(),
      relatesTo,
      extraHeaders: headers.replyParameters.map(writeElement).join(''),
    };
    const limit = headers.maxEnvelopeSize ?? limits.maxEnvelopeSize;
    const reply = await withTimeout(environment, headers.timeout, request, (deadline) =>
      operation({
        headers,
        content: envelope.content,
        target,
        token: request.token,
        session: dispatcher.session(request.token),
        encoding: {
          schema: dispatcher.schema,
          uri: target.uri,
          preciseArrays: isOptionSet(headers, 'msftwinrm:UsePreciseArrays'),
        },
        textEncoding,
        bodyLimit: () =>
          limit - encodedLength(writeResponse({ ...head, action: `${headers.action}Response` }, ' '), textEncoding) - 2,
        limits,
        get signal() {
          return deadline.signal;
        },
      }),
    );
    const extraHeaders = `${head.extraHeaders ?? ''}${reply.headers ?? ''}`;
    const response = success(writeResponse({ ...head, extraHeaders, action: reply.action }, reply.body), textEncoding);
    if (response.body.length > limit) throw tooLarge(reply, headers);
    return response;
  }

  function selectOperation(headers: RequestHeaders, target: Target, content: XmlElement | undefined): Operation {
    if (headers.fragment !== undefined) return fragmentOperation(headers.action, headers.fragment);
    const isSchema = target.uri.form === 'cimxml';
    if (isSchema && !schemaActions.has(headers.action)) throw faultError('actionMismatch');
    switch (headers.action) {
      case actions.get:
        return isSchema ? getClass : get;
      case actions.put:
        return put;
      case actions.delete:
        return remove;
      case actions.enumerate:
        return (call) => enumerate(call, store);
      case actions.pull:
      case actions.release: {
        const context = content === undefined ? undefined : contextOf(content);
        const isPull = headers.action === actions.pull;
        if (content !== undefined && context !== undefined && eventing.store.has(context) && isPull)
          return (call) => pullEvents(call, eventing, content, context);
        return isPull ? (call) => pull(call, store) : (call) => release(call, store);
      }
      case actions.subscribe:
        return (call) => subscribe(call, eventing);
      case actions.renew:
        return (call) => renew(call, eventing);
      case actions.status:
        return (call) => getStatus(call, eventing);
      case actions.unsubscribe:
        return (call) => unsubscribe(call, eventing);
      case actions.create:
        // Instances are made by methods here. UNSPECIFIED: Windows might say 2150859010 instead.
        throw faultError('actionMismatch');
      default: {
        const { cls } = target;
        const method = cls === undefined ? undefined : methodOf(headers.action, cls);
        if (cls === undefined || method === undefined)
          throw faultError('actionNotSupported', { details: [['a:Action', headers.action]] });
        return (call) => invoke(call, cls, method);
      }
    }
  }

  function failure(fault: Fault, encoding: XmlEncoding, relatesTo: string | undefined): WsmanResponse {
    const text = writeFault({ messageId: newMessageId(), relatesTo }, fault, machine);
    return { ...success(text, encoding), status: 500 };
  }

  function newMessageId(): string {
    return `uuid:${environment.uuid().toUpperCase()}`;
  }

  return {
    handle,
    identifyAnonymously: () => anonymous,
    limits,
    sweep: () => {
      store.sweep();
      eventing.store.sweep();
    },
    endSubscriptions: () => eventing.end(),
    close: () => {
      store.close();
      eventing.close();
    },
  };
}

function decode(bytes: Uint8Array, charset: string | undefined): DecodedText | undefined {
  try {
    return decodeText(bytes, charset);
  } catch (error) {
    if (isCarmineError(error, 'wsman/malformed')) return undefined;
    throw error;
  }
}

/** What a Pull or Release is about: an enumeration or a subscription. */
function contextOf(content: XmlElement): string | undefined {
  return trimmedText(child(content, namespaces.n, 'EnumerationContext'));
}

/** Identify is told by its body; it needs no header at all (DSP0226 R11-1). */
function isIdentify(envelope: Envelope): boolean {
  return envelope.content?.local === 'Identify' && envelope.content.uri === namespaces.wsmid;
}

function checkSoapAction(soapAction: string | undefined, action: string): void {
  const value = soapAction?.trim().replace(/^"(.*)"$/, '$1') ?? '';
  if (value !== '' && value !== action)
    throw faultError('invalidHeader', { text: 'SOAPAction and Action contradict each other.' });
}

function tooLarge(reply: Reply, headers: RequestHeaders) {
  if (reply.changed === true) return faultError('unreportableSuccess');
  return faultError(headers.maxEnvelopeSize === undefined ? 'serviceEnvelopeLimit' : 'maxEnvelopeSizeExceeded');
}

/** Bad XML and exceeded limits are the sender's; a charset that we do not know has a fault of its own. */
function faultOf(error: unknown): Fault {
  const carried = carriedFault(error);
  if (carried !== undefined) return carried;
  if (isCarmineError(error, 'wsman/malformed')) return { name: 'schemaValidation', text: error.message };
  if (isCarmineError(error, 'wsman/unexpected')) return { name: 'characterSet' };
  if (isCarmineError(error, 'wire/limit')) return { name: 'encodingLimit', text: error.message };
  return faultFromError(error, 'operation');
}

function success(text: string, encoding: XmlEncoding): WsmanResponse {
  return {
    status: 200,
    contentType: `${soapType};charset=${charsetName(encoding)}`,
    body: encodeText(text, encoding),
  };
}

function encodings(text: string): Readonly<Record<XmlEncoding, WsmanResponse>> {
  return {
    'utf-8': success(text, 'utf-8'),
    'utf-16le': success(text, 'utf-16le'),
    'utf-16be': success(text, 'utf-16be'),
  };
}

function withoutBody(status: number): WsmanResponse {
  return { status, contentType: undefined, body: new Uint8Array(0) };
}

/** What can be done with classes. */
const schemaActions: ReadonlySet<string> = new Set([actions.get, actions.enumerate, actions.pull, actions.release]);
const soapType = 'application/soap+xml';
const anonymousVersion = 'OS: 0.0.0 SP: 0.0 Stack: 3.0';
const defaultProfiles = ['http/spnego-kerberos', 'https/spnego-kerberos'];

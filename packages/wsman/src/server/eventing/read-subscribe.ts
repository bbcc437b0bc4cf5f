import { parseXmlDateTime } from '@carmine/core';
import { parseDuration } from '../../protocol/duration.ts';
import { faultError } from '../../protocol/faults.ts';
import { deliveryModes, dialects, namespaces } from '../../protocol/names.ts';
import { attribute, child, children, trimmedText, type XmlElement } from '../../xml/element.ts';
import type { Call, PushSink } from '../types.ts';

/** Where messages go, and what they carry in their header so that the receiver knows what they are about. */
export interface Receiver {
  readonly url: string;
  readonly parameters: readonly XmlElement[];
}

export type PushMode = 'push' | 'pushWithAck' | 'events';

/** How events are pushed. Times in milliseconds. */
export interface PushSettings {
  readonly mode: PushMode;
  readonly notifyTo: Receiver;
  readonly endTo: Receiver | undefined;
  readonly retries: number;
  readonly retryInterval: number;
  /** Of one delivery in mode Events. */
  readonly maxElements: number;
  readonly maxTime: number;
  /** Octets of an envelope, and what happens with an event that is larger. */
  readonly maxEnvelopeSize: number;
  readonly policy: 'Notify' | 'Skip' | 'CancelSubscription';
}

export interface SubscribeRequest {
  readonly query: string;
  /** Undefined: the client pulls. */
  readonly push: PushSettings | undefined;
  readonly heartbeats: number | undefined;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** Reads e:Subscribe (DSP0226 section 10.2, spec section 7.11). Everything that is wrong with it is said before anything starts. */
export function readSubscribe(call: Call, sink: PushSink | undefined, date: number | undefined): SubscribeRequest {
  const { content } = call;
  if (content === undefined || content.local !== 'Subscribe' || content.uri !== namespaces.e)
    throw faultError('schemaValidation');
  const delivery = child(content, namespaces.e, 'Delivery');
  const mode = readMode(delivery, sink);
  if (
    child(content, namespaces.w, 'Bookmark') !== undefined ||
    child(content, namespaces.w, 'SendBookmarks') !== undefined
  )
    throw faultError('bookmarks');
  return {
    push: mode === 'pull' ? pullHasNone(delivery) : readPush(call, content, delivery, mode, sink),
    heartbeats: readHeartbeats(child(delivery, namespaces.w, 'Heartbeats')),
    lifetime: readLifetime(child(content, namespaces.e, 'Expires'), call, date),
    query: readFilter(content),
  };
}

/** e:Expires as milliseconds from now: a duration, or a date where the time of day is known. More than the service grants is no fault, it is granted less. */
export function readLifetime(element: XmlElement | undefined, call: Call, date: number | undefined): number {
  const { subscriptionTime, maxSubscriptionTime } = call.limits;
  const text = trimmedText(element);
  if (text === undefined) return subscriptionTime;
  const duration = parseDuration(text);
  if (duration !== undefined) {
    if (duration <= 0) throw faultError('invalidExpirationTime');
    return Math.min(duration, maxSubscriptionTime);
  }
  const at = parseXmlDateTime(text);
  if (at === undefined) throw faultError('invalidExpirationTime');
  if (date === undefined) throw faultError('unsupportedExpirationType');
  if (at <= date) throw faultError('invalidExpirationTime');
  return Math.min(at - date, maxSubscriptionTime);
}

function readMode(delivery: XmlElement | undefined, sink: PushSink | undefined): PushMode | 'pull' {
  if (delivery === undefined) throw faultError('invalidEventMessage', { text: 'Delivery is missing.' });
  const wanted = attribute(delivery, '', 'Mode')?.trim() ?? deliveryModes.push;
  const modes = (Object.keys(deliveryModes) as (keyof typeof deliveryModes)[]).filter(
    (mode) => mode === 'pull' || sink !== undefined,
  );
  const mode = modes.find((candidate) => deliveryModes[candidate] === wanted);
  if (mode !== undefined) return mode;
  throw faultError('deliveryModeUnavailable', {
    details: modes.map((candidate) => ['e:SupportedDeliveryMode', deliveryModes[candidate]]),
  });
}

/** "Pull mode with batch parameters: FormatMismatch": each Pull has its own. */
function pullHasNone(delivery: XmlElement | undefined): undefined {
  for (const name of ['MaxElements', 'MaxTime', 'MaxEnvelopeSize', 'ConnectionRetry'])
    if (child(delivery, namespaces.w, name) !== undefined) throw faultError('formatMismatch');
  return undefined;
}

function readPush(
  call: Call,
  content: XmlElement,
  delivery: XmlElement | undefined,
  mode: PushMode,
  sink: PushSink | undefined,
): PushSettings {
  const target = child(delivery, namespaces.e, 'NotifyTo');
  if (target === undefined) throw faultError('notifyToMissing');
  const notifyTo = readReceiver(target);
  if (notifyTo === undefined) throw faultError('notifyToAddress');
  if (sink?.allows(notifyTo.url) !== true) throw faultError('deliverToUnusable');
  const end = child(content, namespaces.e, 'EndTo');
  const endTo = end === undefined ? undefined : readReceiver(end);
  if (end !== undefined && (endTo === undefined || !sink.allows(endTo.url))) throw faultError('deliverToUnusable');
  const elements = child(delivery, namespaces.w, 'MaxElements');
  const time = child(delivery, namespaces.w, 'MaxTime');
  // One event goes into each message of the other modes.
  if (mode !== 'events' && (elements !== undefined || time !== undefined)) throw faultError('formatMismatch');
  return {
    mode,
    notifyTo,
    endTo,
    ...readRetry(child(delivery, namespaces.w, 'ConnectionRetry')),
    maxElements: mode === 'events' ? readCount(elements, defaultBatch, call.limits.maxBatchItems) : 1,
    maxTime: mode === 'events' ? Math.min(readDuration(time) ?? defaultMaxTime, call.limits.maxTimeout) : 0,
    ...readEnvelopeLimit(child(delivery, namespaces.w, 'MaxEnvelopeSize'), call),
  };
}

function readReceiver(reference: XmlElement): Receiver | undefined {
  const url = trimmedText(child(reference, namespaces.a, 'Address')) ?? '';
  if (!/^https?:\/\/[^\s]+$/i.test(url) || url.length > 2048) return undefined;
  const parameters = ['ReferenceParameters', 'ReferenceProperties']
    .flatMap((name) => child(reference, namespaces.a, name)?.children ?? [])
    // What the message itself says of who it is for and what it means cannot be chosen.
    .filter(({ uri }) => uri !== namespaces.a && uri !== namespaces.s);
  return { url, parameters };
}

/** "Text and @Total must both be zero or both non-zero" ([MS-WSMV] 3.1.4.1.30.2). */
function readRetry(element: XmlElement | undefined): Pick<PushSettings, 'retries' | 'retryInterval'> {
  if (element === undefined) return { retries: 3, retryInterval: 10_000 };
  const interval = readDuration(element, 0) ?? 0;
  const total = attribute(element, '', 'Total')?.trim();
  const retries = readNumber(total, interval === 0 ? 0 : 3);
  if ((retries === 0) !== (interval === 0)) throw faultError('deliveryRetries');
  return {
    retries: Math.min(retries, maxRetries),
    retryInterval: Math.min(Math.max(interval, minRetryInterval), maxRetryInterval),
  };
}

function readEnvelopeLimit(
  element: XmlElement | undefined,
  call: Call,
): Pick<PushSettings, 'maxEnvelopeSize' | 'policy'> {
  const { maxEnvelopeSize } = call.limits;
  if (element === undefined) return { maxEnvelopeSize, policy: 'Skip' };
  const size = readNumber(element.text.trim(), maxEnvelopeSize);
  if (size < 8192) throw faultError('minimumEnvelopeLimit');
  const policy = attribute(element, '', 'Policy')?.trim() ?? 'Skip';
  if (policy !== 'Notify' && policy !== 'Skip' && policy !== 'CancelSubscription') throw faultError('schemaValidation');
  return { maxEnvelopeSize: Math.min(size, maxEnvelopeSize), policy };
}

function readHeartbeats(element: XmlElement | undefined): number | undefined {
  if (element === undefined) return undefined;
  const interval = parseDuration(element.text);
  if (interval === undefined || interval <= 0) throw faultError('invalidHeartbeats');
  return Math.max(interval, minHeartbeats);
}

/** e:Filter and w:Filter are the same here as in Enumerate; the dialect is WQL, since every other one would ask for everything. */
function readFilter(content: XmlElement): string {
  const filters = [...children(content, namespaces.e, 'Filter'), ...children(content, namespaces.w, 'Filter')];
  const [filter] = filters;
  if (filter === undefined) throw faultError('eventFilterRequired');
  if (filters.length > 1) throw faultError('invalidEventMessage', { text: 'There is more than one filter.' });
  if ((attribute(filter, '', 'Dialect')?.trim() ?? dialects.xpath) !== dialects.wql)
    throw faultError('eventDialectUnavailable', { details: [['e:SupportedDialect', dialects.wql]] });
  return filter.text.trim();
}

function readDuration(element: XmlElement | undefined, least = 1): number | undefined {
  if (element === undefined) return undefined;
  const value = parseDuration(element.text);
  if (value === undefined || value < least) throw faultError('schemaValidation');
  return value;
}

function readCount(element: XmlElement | undefined, fallback: number, most: number): number {
  const value = readNumber(trimmedText(element), fallback);
  if (value === 0) throw faultError('schemaValidation');
  return Math.min(value, most);
}

function readNumber(text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  if (!/^\+?\d{1,12}$/.test(text)) throw faultError('schemaValidation');
  return Number(text);
}

const defaultBatch = 20;
/** Milliseconds that a first event waits for others, to go with them. */
const defaultMaxTime = 1_000;
const minHeartbeats = 1_000;
const maxRetries = 20;
const minRetryInterval = 1_000;
const maxRetryInterval = 300_000;

import { parseDuration } from '../../protocol/duration.ts';
import { carriedFault, faultError } from '../../protocol/faults.ts';
import { actions, namespaces } from '../../protocol/names.ts';
import { child, trimmedText, type XmlElement } from '../../xml/element.ts';
import { encodedLength } from '../../xml/encoding.ts';
import { XmlWriter } from '../../xml/writer.ts';
import { readMaxElements } from '../enumeration.ts';
import type { Call, Reply } from '../types.ts';
import type { Eventing } from './eventing.ts';
import type { Subscription } from './subscription-store.ts';

/**
 * A Pull on a subscription (DSP0226 section 10.2.9.5): waits for the first event, and takes with it what else is there.
 * When none comes: w:TimedOut after MaxTime or OperationTimeout; at the interval of heartbeats no items, as OMI does
 * (UNSPECIFIED how a heartbeat looks here). Never an EndOfSequence.
 */
export async function pullEvents(call: Call, eventing: Eventing, body: XmlElement, context: string): Promise<Reply> {
  const { store, environment } = eventing;
  const subscription = store.find(context, call.token.userSid);
  const { identifier } = call.headers;
  if (subscription === undefined || subscription.mode !== 'pull') throw faultError('invalidEnumerationContext');
  if (identifier !== undefined && identifier !== subscription.id)
    throw faultError('headerRequired', { details: [['a:ProblemHeaderQName', 'e:Identifier']] });
  if (subscription.pulling) throw faultError('pullInProgress');
  const max = readMaxElements(child(body, namespaces.n, 'MaxElements'), call);
  const maxTime = readMaxTime(child(body, namespaces.n, 'MaxTime'));
  const { heartbeats = Number.POSITIVE_INFINITY } = subscription;
  const wait = new AbortController();
  const end = (): void => wait.abort();
  const limit = Math.min(maxTime, heartbeats);
  const cancel = Number.isFinite(limit) ? environment.after(limit, end) : () => {};
  call.signal.addEventListener('abort', end, { once: true });
  if (call.signal.aborted) end();
  subscription.pulling = true;
  let items: string;
  try {
    items = await takeEvents(call, subscription, max, wait.signal);
  } catch (error) {
    // Closed here, by Unsubscribe or by the end of the service; or ended by its source, which says why.
    const isOver = !store.has(subscription.id);
    if (!isAboutOneEvent(error)) store.remove(subscription);
    throw isOver ? faultError('invalidEnumerationContext') : error;
  } finally {
    subscription.pulling = false;
    cancel();
    call.signal.removeEventListener('abort', end);
  }
  const isHeartbeat = heartbeats <= maxTime && wait.signal.aborted && !call.signal.aborted;
  if (items === '' && !isHeartbeat) throw faultError('timedOut');
  const writer = new XmlWriter().start('n:PullResponse').element('n:EnumerationContext', subscription.id);
  writer.start('n:Items').append(items).end('n:Items');
  return { action: `${actions.pull}Response`, body: writer.end('n:PullResponse').toString() };
}

/** An event that does not fit even alone is passed over, or nobody could ever get past it. */
async function takeEvents(
  call: Call,
  { cursor, write }: Subscription,
  max: number,
  wait: AbortSignal,
): Promise<string> {
  const limit = call.bodyLimit() - encodedLength(frame, call.textEncoding);
  let items = '';
  let octets = 0;
  for (let count = 0; count < max; count++) {
    const next = count === 0 ? await cursor.peek(wait) : await cursor.peekNow();
    if (next === undefined) return items;
    if (next.done === true) throw faultError('eventSourceUnable');
    const item = write(next.value);
    octets += encodedLength(item, call.textEncoding);
    if (octets > limit) {
      if (count > 0) return items;
      cursor.take();
      throw faultError(call.headers.maxEnvelopeSize === undefined ? 'serviceEnvelopeLimit' : 'maxEnvelopeSizeExceeded');
    }
    cursor.take();
    items += item;
  }
  return items;
}

function readMaxTime(element: XmlElement | undefined): number {
  const text = trimmedText(element);
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const value = parseDuration(text);
  if (value === undefined || value < 0) throw faultError('schemaValidation');
  return value;
}

function isAboutOneEvent(error: unknown): boolean {
  const name = carriedFault(error)?.name;
  return name === 'maxEnvelopeSizeExceeded' || name === 'serviceEnvelopeLimit';
}

/** What stands around the items. */
const frame =
  '<n:PullResponse><n:EnumerationContext>uuid:00000000-0000-0000-0000-000000000000</n:EnumerationContext><n:Items></n:Items></n:PullResponse>';

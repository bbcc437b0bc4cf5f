import { CarmineError } from '@carmine/errors';
import { formatDuration } from '../../protocol/duration.ts';
import { encodeInstance } from '../../protocol/encode-cim.ts';
import { faultError } from '../../protocol/faults.ts';
import { actions, anonymousAddress, namespaces } from '../../protocol/names.ts';
import { classUri } from '../../protocol/resource-uri.ts';
import { writeSelectors } from '../../protocol/selectors.ts';
import { child } from '../../xml/element.ts';
import { XmlWriter } from '../../xml/writer.ts';
import { Cursor } from '../cursor.ts';
import { place } from '../place.ts';
import type { Call, Reply } from '../types.ts';
import type { Eventing } from './eventing.ts';
import { readLifetime, readSubscribe } from './read-subscribe.ts';
import type { Subscription } from './subscription-store.ts';

/** DSP0226 section 10.2, spec section 7.11. Addressed to all classes, or to a class of events, as on Windows. */
export async function subscribe(call: Call, eventing: Eventing): Promise<Reply> {
  const { target, session, token, signal } = call;
  const isSource = target.cls === undefined || /^__Instance\w+Event$/.test(target.cls.name);
  if (!isSource || target.selectors.keys.size > 0) throw faultError('actionMismatch');
  const { environment, store, sink } = eventing;
  const request = readSubscribe(call, sink, environment.date?.());
  store.checkRoom(token.userSid);
  const making = new AbortController();
  const giveUp = (): void => making.abort(new CarmineError('internal/aborted'));
  signal.addEventListener('abort', giveUp, { once: true });
  const source = await place('subscription', () =>
    session.subscribe(target.namespace, request.query, { signal: making.signal }),
  );
  signal.removeEventListener('abort', giveUp);
  const cursor = new Cursor(() => source);
  const { encoding } = call;
  try {
    // Others may have been made meanwhile.
    store.checkRoom(token.userSid);
  } catch (error) {
    cursor.close();
    throw error;
  }
  const subscription = store.add(
    {
      token,
      cursor,
      write: (event) => encodeInstance(encoding, event),
      mode: request.push === undefined ? 'pull' : 'push',
      heartbeats: request.heartbeats,
    },
    request.lifetime,
  );
  const manager = writeManager(call, subscription);
  if (request.push !== undefined) eventing.startPush(subscription, request.push, manager);
  const writer = new XmlWriter().start('e:SubscribeResponse');
  writer.start('e:SubscriptionManager').append(manager).end('e:SubscriptionManager');
  writer.element('e:Expires', formatDuration(request.lifetime));
  if (request.push === undefined) writer.element('n:EnumerationContext', subscription.id);
  return { action: `${actions.subscribe}Response`, body: writer.end('e:SubscribeResponse').toString(), changed: true };
}

/** DSP0226 section 10.5. Windows refuses it; there is no reason to. */
export async function renew(call: Call, eventing: Eventing): Promise<Reply> {
  const { environment, store } = eventing;
  const body = requireBody(call, 'Renew');
  const subscription = store.find(requireIdentifier(call), call.token.userSid);
  if (subscription === undefined) throw faultError('unableToRenew');
  const lifetime = readLifetime(child(body, namespaces.e, 'Expires'), call, environment.date?.());
  subscription.expires = environment.now() + lifetime;
  return expiryReply(actions.renew, 'RenewResponse', lifetime);
}

/** WS-Eventing section 3.4 (DSP0226 leaves it optional). */
export async function getStatus(call: Call, eventing: Eventing): Promise<Reply> {
  const { environment } = eventing;
  requireBody(call, 'GetStatus');
  const lifetime = findSubscription(call, eventing).expires - environment.now();
  return expiryReply(actions.status, 'GetStatusResponse', lifetime);
}

/** DSP0226 section 10.4. A Pull that is waiting ends. */
export async function unsubscribe(call: Call, eventing: Eventing): Promise<Reply> {
  requireBody(call, 'Unsubscribe');
  eventing.store.remove(findSubscription(call, eventing));
  return { action: `${actions.unsubscribe}Response`, body: '' };
}

/** UNSPECIFIED which fault: a subscription that is over, never was, or is another user's is told apart by nobody. */
function findSubscription(call: Call, { store }: Eventing): Subscription {
  const found = store.find(requireIdentifier(call), call.token.userSid);
  if (found === undefined) throw faultError('invalidEventMessage', { text: 'There is no such subscription.' });
  return found;
}

function requireIdentifier({ headers }: Call): string {
  if (headers.identifier === undefined || headers.identifier === '')
    throw faultError('headerRequired', { details: [['a:ProblemHeaderQName', 'e:Identifier']] });
  return headers.identifier;
}

function requireBody({ content }: Call, local: string) {
  if (content === undefined || content.local !== local || content.uri !== namespaces.e)
    throw faultError('schemaValidation');
  return content;
}

/** Always as a duration, which needs no agreement about the time of day. */
function expiryReply(action: string, name: string, lifetime: number): Reply {
  const writer = new XmlWriter().start(`e:${name}`).element('e:Expires', formatDuration(lifetime));
  return { action: `${action}Response`, body: writer.end(`e:${name}`).toString() };
}

/** What goes inside the EPR of the subscription manager: this service, and which subscription. */
function writeManager({ target }: Call, { id }: Subscription): string {
  const uri = classUri(target.uri, target.cls?.name ?? target.uri.className);
  const writer = new XmlWriter().element('a:Address', anonymousAddress).start('a:ReferenceParameters');
  writer.element('w:ResourceURI', uri);
  if (target.uri.form === 'dmtf') writeSelectors(writer, [['__cimnamespace', target.namespace.replaceAll('\\', '/')]]);
  return writer.element('e:Identifier', id).end('a:ReferenceParameters').toString();
}

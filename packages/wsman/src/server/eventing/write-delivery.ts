import { anonymousAddress, deliveryActions, namespaces } from '../../protocol/names.ts';
import { writeElement } from '../../xml/write-element.ts';
import { XmlWriter } from '../../xml/writer.ts';
import type { PushMode, Receiver } from './read-subscribe.ts';

/** One event, or what stands in for one, as it goes into a message. */
export interface DeliveredEvent {
  readonly action: string;
  /** Already written. */
  readonly body: string;
}

export interface Delivery {
  readonly messageId: string;
  readonly mode: PushMode;
  readonly receiver: Receiver;
  /** Exactly one unless the mode is `events`. */
  readonly events: readonly DeliveredEvent[];
}

/** DSP0226 sections 10.2.9.1 to .3: alone in the body, or several in w:Events; the modes with Ack ask for it. */
export function writeDelivery({ messageId, mode, receiver, events }: Delivery): string {
  const [first] = events;
  const batched = mode === 'events';
  const writer = start(
    messageId,
    batched ? deliveryActions.events : (first?.action ?? deliveryActions.event),
    receiver,
  );
  if (mode !== 'push') {
    writer.start('a:ReplyTo').element('a:Address', anonymousAddress, understood).end('a:ReplyTo');
    writer.empty('w:AckRequested');
  }
  if (!batched) return end(writer, first?.body ?? '');
  const items = new XmlWriter().start('w:Events');
  for (const { action, body } of events) items.start('w:Event', { Action: action }).append(body).end('w:Event');
  return end(writer, items.end('w:Events').toString());
}

/** Last part of the status URI (WS-Eventing section 3.6). */
export type EndStatus = 'DeliveryFailure' | 'SourceShuttingDown' | 'SourceCancelling';

export interface SubscriptionEnd {
  readonly messageId: string;
  readonly receiver: Receiver;
  /** Content of the EPR of the subscription manager. */
  readonly manager: string;
  readonly status: EndStatus;
  readonly reason: string;
}

/** DSP0226 section 10.6. */
export function writeSubscriptionEnd({ messageId, receiver, manager, status, reason }: SubscriptionEnd): string {
  const body = new XmlWriter().start('e:SubscriptionEnd');
  body.start('e:SubscriptionManager').append(manager).end('e:SubscriptionManager');
  body.element('e:Status', `${namespaces.e}/${status}`).element('e:Reason', reason, { 'xml:lang': 'en-US' });
  return end(start(messageId, deliveryActions.subscriptionEnd, receiver), body.end('e:SubscriptionEnd').toString());
}

/** Reference parameters of the receiver go into the header as they are (DSP0226 section 5.1.2). */
function start(messageId: string, action: string, receiver: Receiver): XmlWriter {
  const writer = new XmlWriter().start('s:Envelope', declarations).start('s:Header');
  writer.element('a:To', receiver.url).element('a:Action', action, understood).element('a:MessageID', messageId);
  return writer.append(receiver.parameters.map(writeElement).join(''));
}

function end(writer: XmlWriter, body: string): string {
  writer.end('s:Header');
  if (body === '') writer.empty('s:Body');
  else writer.start('s:Body').append(body).end('s:Body');
  return writer.end('s:Envelope').toString();
}

const understood = { 's:mustUnderstand': 'true' };
const declarations = {
  'xml:lang': 'en-US',
  'xmlns:s': namespaces.s,
  'xmlns:a': namespaces.a,
  'xmlns:e': namespaces.e,
  'xmlns:w': namespaces.w,
};

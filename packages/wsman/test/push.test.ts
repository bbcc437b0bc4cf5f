import type { Token } from '@carmine/security';
import { settle } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import type { PushMessage, PushSink, WsmanResponse } from '../src/index.ts';
import { child, type XmlElement } from '../src/xml/element.ts';
import { about, delivery, e, faultOf, filter, modes, pull, query, subscribe, textOf, w } from './eventing-support.ts';
import { admin, envelope, type RequestParts, readAnswer, soap, testServer, wql } from './support.ts';

const addressing = 'http://schemas.xmlsoap.org/ws/2004/08/addressing';
const here = 'http://sink.example:8080/events';
const notifyTo = (url = here, parameters = '<q:Id xmlns:q="urn:q">7</q:Id>') =>
  `<e:NotifyTo><a:Address>${url}</a:Address><a:ReferenceParameters>${parameters}</a:ReferenceParameters></e:NotifyTo>`;
const push = (inner = '', mode = `${e}/DeliveryModes/Push`, rest = '') =>
  subscribe(delivery(notifyTo() + inner, mode) + rest + filter);

interface Received {
  readonly url: string;
  readonly text: string;
  readonly action: string;
  readonly header: XmlElement | undefined;
  readonly body: XmlElement | undefined;
}

const empty = new Uint8Array(0);
const accepted: WsmanResponse = { status: 202, contentType: undefined, body: empty };
const acked = (to: string | undefined, action = 'Ack'): WsmanResponse => ({
  status: 200,
  contentType: 'application/soap+xml',
  body: new TextEncoder().encode(
    `<s:Envelope xmlns:s="${soap}" xmlns:a="${addressing}"><s:Header><a:Action>${modes}/${action}</a:Action><a:RelatesTo>${to}</a:RelatesTo></s:Header><s:Body/></s:Envelope>`,
  ),
});
const refused: WsmanResponse = {
  status: 500,
  contentType: 'application/soap+xml',
  body: new TextEncoder().encode(
    `<s:Envelope xmlns:s="${soap}" xmlns:w="${w}"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:DeliveryRefused</s:Value></s:Subcode></s:Code></s:Fault></s:Body></s:Envelope>`,
  ),
};

/** A service with a receiver of events that answers as it is told. */
function machine(
  answer: (message: Received, id: string | undefined) => WsmanResponse | Promise<WsmanResponse> = () => accepted,
) {
  const received: Received[] = [];
  const undeliverable: [Token, string][] = [];
  const allowed = new Set([here, 'http://sink.example:8080/end']);
  const sink: PushSink = {
    allows: (url) => allowed.has(url),
    async send({ url, body, contentType }: PushMessage) {
      const given = readAnswer({ status: 0, contentType, body });
      const header = child(given.root, soap, 'Header');
      const message = { url, text: given.text, action: given.action ?? '', header, body: given.body };
      received.push(message);
      return answer(message, textOf(header, `${addressing}|MessageID`));
    },
  };
  const test = testServer({ push: sink, onUndeliverable: (token, url) => undeliverable.push([token, url]) });
  const ask = (parts: RequestParts, token = admin) => test.send(envelope(parts), token);
  return {
    ...test,
    received,
    undeliverable,
    allowed,
    ask,
    create: () => test.jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x', suspend: true }),
    async subscribed(parts: RequestParts): Promise<string> {
      const { body } = await ask(parts);
      const manager = child(body, e, 'SubscriptionManager');
      return textOf(child(manager, addressing, 'ReferenceParameters'), `${e}|Identifier`);
    },
    actions: () => received.splice(0).map(({ action }) => action.slice(action.lastIndexOf('/') + 1)),
  };
}

describe('Push', () => {
  it('sends one event in each message, with what NotifyTo gave', async () => {
    const m = machine();
    const id = await m.subscribed(push());
    expect(id).toMatch(/^uuid:/);
    await m.create();
    await m.create();
    await m.clock.advance(2_000);
    const [first] = m.received;
    expect(m.received).toHaveLength(2);
    expect(first).toMatchObject({ url: here, action: `${modes}/Event` });
    expect(first?.body?.local).toBe('__InstanceCreationEvent');
    expect(textOf(first?.header, `${addressing}|To`)).toBe(here);
    expect(textOf(first?.header, 'urn:q|Id')).toBe('7');
    expect(first?.text).not.toContain('AckRequested');
    expect(faultOf(await m.ask(pull(id)))).toBe('invalidEnumerationContext');
    await m.ask(about('Unsubscribe', id));
    await settle();
    expect(m.clock.next).toBeUndefined();
  });

  it('does not let a subscriber choose what the message says of itself', async () => {
    const m = machine();
    const forged = `<a:Action>urn:x</a:Action><s:Header/><q:Fine xmlns:q="urn:q">1</q:Fine>`;
    await m.subscribed(subscribe(delivery(notifyTo(here, forged), `${e}/DeliveryModes/Push`) + filter));
    await m.create();
    await m.clock.advance(2_000);
    expect(m.received[0]?.text).not.toContain('urn:x');
    expect(textOf(m.received[0]?.header, 'urn:q|Fine')).toBe('1');
  });

  it('sends a heartbeat when nothing happened for so long', async () => {
    const m = machine();
    await m.subscribed(push('<w:Heartbeats>PT30S</w:Heartbeats>'));
    await m.clock.advance(61_000);
    expect(m.actions()).toEqual(['Heartbeat', 'Heartbeat']);
    await m.create();
    await m.clock.advance(20_000);
    expect(m.actions()).toEqual(['Event']);
  });

  it('ends when it expires, or with Unsubscribe', async () => {
    const m = machine();
    await m.subscribed(push('', undefined, '<e:Expires>PT60S</e:Expires>'));
    const id = await m.subscribed(push());
    await m.clock.advance(60_000);
    await m.create();
    await m.clock.advance(2_000);
    expect(m.actions()).toEqual(['Event']);
    await m.ask(about('Unsubscribe', id));
    await m.create();
    await m.clock.advance(2_000);
    expect(m.actions()).toEqual([]);
    expect(m.clock.next).toBeUndefined();
  });
});

describe('PushWithAck', () => {
  it('asks for an Ack, and waits for it before it sends the next', async () => {
    const answers: ((response: WsmanResponse) => void)[] = [];
    const ids: (string | undefined)[] = [];
    const m = machine((_, id) => {
      ids.push(id);
      return new Promise((resolve) => answers.push(resolve));
    });
    await m.subscribed(push('', `${modes}/PushWithAck`));
    await m.create();
    await m.create();
    await m.clock.advance(5_000);
    expect(m.received).toHaveLength(1);
    expect(m.received[0]?.text).toContain('<w:AckRequested/>');
    expect(m.received[0]?.text).toContain('<a:ReplyTo>');
    answers[0]?.(acked(ids[0]));
    await settle();
    expect(m.received).toHaveLength(2);
    answers[1]?.(acked(ids[1]));
    await settle();
    m.server.close();
  });

  it.each<[string, (id: string | undefined) => WsmanResponse]>([
    ['nothing', () => accepted],
    ['an Ack of another message', () => acked('uuid:x')],
    ['another action', (id) => acked(id, 'Event')],
    ['what is no XML', () => ({ ...accepted, status: 200, body: new TextEncoder().encode('fine') })],
    ['an error', () => ({ ...accepted, status: 500 })],
  ])('takes %s for no answer', async (_, answer) => {
    const m = machine((__, id) => answer(id));
    await m.subscribed(push('<w:ConnectionRetry Total="2">PT5S</w:ConnectionRetry>', `${modes}/PushWithAck`));
    await m.create();
    await m.clock.advance(60_000);
    expect(m.received).toHaveLength(3);
    expect(m.undeliverable).toEqual([[admin, here]]);
    expect(m.clock.next).toBeUndefined();
  });
});

describe('Events', () => {
  const events = (inner = '') => push(inner, `${modes}/Events`);
  const sizes = (received: readonly Received[]) => received.map(({ body }) => body?.children.length);

  it('puts what comes together into one message', async () => {
    const m = machine((_, id) => acked(id));
    await m.subscribed(events('<w:MaxElements>3</w:MaxElements><w:MaxTime>PT5S</w:MaxTime>'));
    for (let index = 0; index < 4; index++) await m.create();
    await m.clock.advance(2_000);
    expect(sizes(m.received)).toEqual([3]);
    await m.create();
    await m.clock.advance(10_000);
    expect(sizes(m.received)).toEqual([3, 2]);
    const [first] = m.received;
    expect(first).toMatchObject({ action: `${modes}/Events`, body: { local: 'Events', uri: w } });
    expect(first?.text).toContain(`<w:Event Action="${modes}/Event"><p:__InstanceCreationEvent`);
    expect(first?.text).toContain('<w:AckRequested/>');
  });

  it('sends a heartbeat as the only event', async () => {
    const m = machine((_, id) => acked(id));
    await m.subscribed(events('<w:Heartbeats>PT30S</w:Heartbeats>'));
    await m.clock.advance(30_000);
    expect(m.received[0]?.text).toContain(`<w:Events><w:Event Action="${modes}/Heartbeat"></w:Event></w:Events>`);
  });

  it('keeps to the size of an envelope', async () => {
    const m = machine((_, id) => acked(id));
    await m.subscribed(events('<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>'));
    for (let index = 0; index < 8; index++) await m.create();
    await m.clock.advance(10_000);
    expect(m.received.length).toBeGreaterThan(1);
    expect(sizes(m.received).reduce((sum = 0, size = 0) => sum + size, 0)).toBe(8);
    for (const { text } of m.received) expect(text.length).toBeLessThanOrEqual(8192);
  });

  it.each([
    ['Skip', ['Event']],
    ['Notify', ['DroppedEvents', 'Event']],
    ['CancelSubscription', []],
  ])('an event that fits no envelope, with %s', async (policy, expected) => {
    const m = machine();
    await m.subscribed(push(`<w:MaxEnvelopeSize Policy="${policy}">8192</w:MaxEnvelopeSize>`));
    const big = await m.create();
    await m.jobs.modifyJob(big, { description: 'x'.repeat(9_000) });
    await m.clock.advance(2_000);
    await m.create();
    await m.clock.advance(2_000);
    expect(m.actions()).toEqual(expected);
  });
});

describe('a receiver that does not take events', () => {
  it('is tried again as often as ConnectionRetry says; then the subscription ends and EndTo is told', async () => {
    const endTo = `<e:EndTo><a:Address>http://sink.example:8080/end</a:Address></e:EndTo>`;
    let fail = true;
    const m = machine((message) => {
      if (message.url !== here || !fail) return accepted;
      throw new Error('no way');
    });
    const retry = '<w:ConnectionRetry Total="2">PT20S</w:ConnectionRetry>';
    await m.subscribed(push(retry, undefined, endTo));
    await m.create();
    await m.clock.advance(30_000);
    expect(m.received).toHaveLength(2);
    fail = false;
    await m.clock.advance(20_000);
    expect(m.received).toHaveLength(3);
    fail = true;
    await m.create();
    await m.clock.advance(60_000);
    expect(m.actions()).toEqual(['Event', 'Event', 'Event', 'Event', 'Event', 'Event', 'SubscriptionEnd']);
    expect(m.undeliverable).toEqual([[admin, here]]);
    expect(m.clock.next).toBeUndefined();
  });

  it('may refuse, which ends it at once and silently', async () => {
    const endTo = `<e:EndTo><a:Address>http://sink.example:8080/end</a:Address></e:EndTo>`;
    const m = machine(() => refused);
    await m.subscribed(push('', undefined, endTo));
    await m.create();
    await m.clock.advance(60_000);
    expect(m.actions()).toEqual(['Event']);
    expect(m.undeliverable).toEqual([]);
    expect(m.clock.next).toBeUndefined();
  });

  it('gets nothing any more once it is no longer allowed', async () => {
    const m = machine();
    await m.subscribed(push());
    m.allowed.clear();
    await m.create();
    await m.clock.advance(60_000);
    expect(m.received).toEqual([]);
    expect(m.undeliverable).toHaveLength(1);
  });
});

it('tells receivers when the service stops', async () => {
  const m = machine();
  const endTo = `<e:EndTo><a:Address>http://sink.example:8080/end</a:Address></e:EndTo>`;
  const id = await m.subscribed(push('', undefined, endTo));
  await m.server.endSubscriptions();
  const [message] = m.received;
  expect(message).toMatchObject({ url: 'http://sink.example:8080/end', action: `${e}/SubscriptionEnd` });
  expect(textOf(message?.body, `${e}|Status`)).toBe(`${e}/SourceShuttingDown`);
  expect(message?.text).toContain(`<e:Identifier>${id}</e:Identifier>`);
  expect(m.clock.next).toBeUndefined();
});

describe('Subscribe for a push', () => {
  const deliverTo = (url: string) => subscribe(delivery(notifyTo(url), `${e}/DeliveryModes/Push`) + filter);

  it.each([
    ['no NotifyTo', subscribe(`<e:Delivery/>${filter}`), 'notifyToMissing'],
    ['NotifyTo without Address', subscribe(`<e:Delivery><e:NotifyTo/></e:Delivery>${filter}`), 'notifyToAddress'],
    ['an address that is none', deliverTo('sink.example'), 'notifyToAddress'],
    ['an address of another scheme', deliverTo('file:///etc/passwd'), 'notifyToAddress'],
    ['an address that is not in the list', deliverTo('http://127.0.0.1:22/'), 'deliverToUnusable'],
    [
      'EndTo that is not in the list',
      push('', undefined, '<e:EndTo><a:Address>http://127.0.0.1:22/</a:Address></e:EndTo>'),
      'deliverToUnusable',
    ],
    ['MaxElements with Push', push('<w:MaxElements>2</w:MaxElements>'), 'formatMismatch'],
    ['MaxElements of nothing', push('<w:MaxElements>0</w:MaxElements>', `${modes}/Events`), 'schemaValidation'],
    ['MaxTime that is none', push('<w:MaxTime>1</w:MaxTime>', `${modes}/Events`), 'schemaValidation'],
    ['an envelope that is too small', push('<w:MaxEnvelopeSize>100</w:MaxEnvelopeSize>'), 'minimumEnvelopeLimit'],
    ['an unknown policy', push('<w:MaxEnvelopeSize Policy="Cut">9000</w:MaxEnvelopeSize>'), 'schemaValidation'],
    ['a retry without Total', push('<w:ConnectionRetry Total="0">PT1S</w:ConnectionRetry>'), 'deliveryRetries'],
    ['a Total without retry', push('<w:ConnectionRetry Total="3">PT0S</w:ConnectionRetry>'), 'deliveryRetries'],
    ['a retry that is none', push('<w:ConnectionRetry>often</w:ConnectionRetry>'), 'schemaValidation'],
  ])('refuses %s', async (_, parts, expected) => {
    const m = machine();
    const answer = await m.ask(parts);
    expect([answer.status, faultOf(answer)]).toEqual([500, expected]);
    expect(m.clock.next).toBeUndefined();
  });

  it('still lets others pull', async () => {
    const m = machine();
    expect((await m.ask(subscribe())).status).toBe(200);
    const { text } = await m.ask(subscribe(`<e:Delivery Mode="urn:x"/><w:Filter Dialect="${wql}">${query}</w:Filter>`));
    for (const mode of [`${e}/DeliveryModes/Push`, `${modes}/PushWithAck`, `${modes}/Events`, `${modes}/Pull`])
      expect(text).toContain(`<e:SupportedDeliveryMode>${mode}<`);
  });
});

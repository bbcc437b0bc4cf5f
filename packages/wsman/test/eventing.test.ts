import { bitsNamespace, type CimInstance, createDispatcher, isInstance, type Role } from '@carmine/cim';
import { MemoryJobs } from '@carmine/compliance';
import { FakeClock, settle } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { createWsmanOperations, type WsmanServerOptions } from '../src/index.ts';
import type { FaultName } from '../src/protocol/faults.ts';
import { child } from '../src/xml/element.ts';
import { about, delivery, e, faultOf, filter, modes, pull, query, subscribe, textOf, w } from './eventing-support.ts';
import {
  type Answer,
  admin,
  dmtf,
  enumeration,
  envelope,
  inMemoryClient,
  otherAdmin,
  type RequestParts,
  testServer,
  user,
  wmi,
  wql,
} from './support.ts';

const timeout = (text: string) => `<w:OperationTimeout>${text}</w:OperationTimeout>`;

function machine(changes: Partial<WsmanServerOptions> = {}) {
  const test = testServer(changes);
  const ask = (parts: RequestParts, token = admin) => test.send(envelope(parts), token);
  return {
    ...test,
    ask,
    create: () => test.jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x', suspend: true }),
    /** Asks and lets time pass until there is an answer; tells how much did. */
    async wait(parts: RequestParts): Promise<readonly [Answer, number]> {
      const began = test.clock.now();
      let answer: Answer | undefined;
      const asked = ask(parts).then((given) => {
        answer = given;
      });
      while (answer === undefined && test.clock.now() - began < 120_000) await test.clock.advance(100);
      await asked;
      return [answer!, test.clock.now() - began];
    },
    async subscribed(parts = subscribe(), token = admin): Promise<string> {
      const answer = await ask(parts, token);
      return textOf(answer.body, `${enumeration}|EnumerationContext`);
    },
  };
}

const itemsOf = (answer: Answer) => child(answer.body, enumeration, 'Items')?.children ?? [];
describe('Subscribe', () => {
  it('answers with the manager, the time that is granted, and what to pull from', async () => {
    const { ask } = machine();
    const { body, action } = await ask(subscribe(`${delivery()}<e:Expires>PT30M</e:Expires>${filter}`));
    expect(action).toBe(`${e}/SubscribeResponse`);
    expect(textOf(body, `${e}|Expires`)).toBe('PT1800.000S');
    const manager = child(body, e, 'SubscriptionManager');
    const parameters = manager?.children.find(({ local }) => local === 'ReferenceParameters');
    expect(textOf(parameters, `${w}|ResourceURI`)).toBe(`${wmi}/*`);
    expect(textOf(parameters, `${e}|Identifier`)).toMatch(/^uuid:[0-9A-F-]{36}$/);
    expect(textOf(body, `${enumeration}|EnumerationContext`)).toBe(textOf(parameters, `${e}|Identifier`));
  });

  it.each([
    ['', 'PT600.000S'],
    ['<e:Expires>PT1S</e:Expires>', 'PT1.000S'],
    ['<e:Expires>P10D</e:Expires>', 'PT86400.000S'],
    ['<e:Expires>2026-01-01T00:10:00Z</e:Expires>', 'PT600.000S'],
    ['<e:Expires>2026-01-01T02:10:00+02:00</e:Expires>', 'PT600.000S'],
    ['<e:Expires>9999-12-31T23:59:59</e:Expires>', 'PT86400.000S'],
  ])('%s is granted as %s', async (expires, granted) => {
    const { body } = await machine().ask(subscribe(delivery() + expires + filter));
    expect(textOf(body, `${e}|Expires`)).toBe(granted);
  });

  it.each<[string, RequestParts, FaultName]>([
    ['another body', { ...subscribe(), body: '<n:Enumerate/>' }, 'schemaValidation'],
    ['no body', { action: `${e}/Subscribe`, uri: `${wmi}/*` }, 'schemaValidation'],
    ['no Delivery', subscribe(filter), 'invalidEventMessage'],
    ['an unknown mode', subscribe(delivery('', `${modes}/Carrier`) + filter), 'deliveryModeUnavailable'],
    ['Push, which is off', subscribe(`<e:Delivery/>${filter}`), 'deliveryModeUnavailable'],
    ['Events, which is off', subscribe(delivery('', `${modes}/Events`) + filter), 'deliveryModeUnavailable'],
    ['no filter', subscribe(delivery()), 'eventFilterRequired'],
    ['two filters', subscribe(delivery() + filter + filter), 'invalidEventMessage'],
    [
      'e:Filter beside w:Filter',
      subscribe(`${delivery()}${filter}<e:Filter Dialect="${wql}">${query}</e:Filter>`),
      'invalidEventMessage',
    ],
    ['a filter without dialect', subscribe(`${delivery()}<w:Filter>${query}</w:Filter>`), 'eventDialectUnavailable'],
    [
      'an unknown dialect',
      subscribe(`${delivery()}<w:Filter Dialect="urn:x">${query}</w:Filter>`),
      'eventDialectUnavailable',
    ],
    ['bad WQL', subscribe(`${delivery()}<w:Filter Dialect="${wql}">nonsense</w:Filter>`), 'cannotProcessEventFilter'],
    ['WQL without WITHIN', subscribe(delivery() + filter.replace('WITHIN 1 ', '')), 'cannotProcessEventFilter'],
    [
      'WQL about an unknown class',
      subscribe(delivery() + filter.replace('BitsClientJob', 'Nothing')),
      'cannotProcessEventFilter',
    ],
    [
      'WQL about a class that only exists embedded',
      subscribe(delivery() + filter.replace('BitsClientJob', 'BitsClientFile')),
      'cannotProcessEventFilter',
    ],
    [
      'WQL that selects instances',
      subscribe(delivery() + filter.replace('__InstanceOperationEvent', 'BitsClientJob')),
      'cannotProcessEventFilter',
    ],
    ['a class of no events', subscribe(undefined, { uri: `${wmi}/BitsClientJob` }), 'actionMismatch'],
    ['keys', subscribe(undefined, { selectors: { JobId: 'x' } }), 'actionMismatch'],
    ['an unknown namespace', subscribe(undefined, { uri: `${wmi.replace('bits', 'none')}/*` }), 'resourceNotFound'],
    ['Expires that is none', subscribe(`${delivery()}<e:Expires>soon</e:Expires>${filter}`), 'invalidExpirationTime'],
    ['Expires of nothing', subscribe(`${delivery()}<e:Expires>PT0S</e:Expires>${filter}`), 'invalidExpirationTime'],
    ['Expires before now', subscribe(`${delivery()}<e:Expires>-PT1S</e:Expires>${filter}`), 'invalidExpirationTime'],
    [
      'a date that has passed',
      subscribe(`${delivery()}<e:Expires>2026-01-01T00:00:00Z</e:Expires>${filter}`),
      'invalidExpirationTime',
    ],
    [
      'a date that there is not',
      subscribe(`${delivery()}<e:Expires>2026-02-30T00:00:00Z</e:Expires>${filter}`),
      'invalidExpirationTime',
    ],
    ['Heartbeats that are none', subscribe(delivery('<w:Heartbeats>1</w:Heartbeats>') + filter), 'invalidHeartbeats'],
    ['Heartbeats of nothing', subscribe(delivery('<w:Heartbeats>PT0S</w:Heartbeats>') + filter), 'invalidHeartbeats'],
    ['MaxElements with Pull', subscribe(delivery('<w:MaxElements>1</w:MaxElements>') + filter), 'formatMismatch'],
    ['MaxTime with Pull', subscribe(delivery('<w:MaxTime>PT1S</w:MaxTime>') + filter), 'formatMismatch'],
    ['a bookmark', subscribe(`${delivery()}${filter}<w:Bookmark>1</w:Bookmark>`), 'bookmarks'],
    ['SendBookmarks', subscribe(`${delivery()}${filter}<w:SendBookmarks/>`), 'bookmarks'],
    ['Renew without Identifier', { ...about('Renew', ''), headers: '' }, 'headerRequired'],
    ['Renew of nothing', about('Renew', 'uuid:x'), 'unableToRenew'],
    ['Unsubscribe without Identifier', { ...about('Unsubscribe', ''), headers: '' }, 'headerRequired'],
    ['Unsubscribe of nothing', about('Unsubscribe', 'uuid:x'), 'invalidEventMessage'],
    ['GetStatus of nothing', about('GetStatus', 'uuid:x'), 'invalidEventMessage'],
    ['Renew with another body', { ...about('Renew', 'uuid:x'), body: '<n:Pull/>' }, 'schemaValidation'],
  ])('refuses %s', async (_, parts, expected) => {
    const { ask, clock } = machine();
    const answer = await ask(parts);
    expect([answer.status, faultOf(answer)]).toEqual([500, expected]);
    expect(clock.next).toBeUndefined();
    expect(faultOf(await ask(parts, user))).toBe('accessDenied');
  });

  it('says which modes and dialects there are', async () => {
    const { ask } = machine();
    expect((await ask(subscribe(`<e:Delivery/>${filter}`))).text).toContain(
      `<e:SupportedDeliveryMode>${modes}/Pull</e:SupportedDeliveryMode></s:Detail>`.replace('</s:Detail>', ''),
    );
    expect((await ask(subscribe(`${delivery()}<w:Filter>x</w:Filter>`))).text).toContain(
      `<e:SupportedDialect>${wql}</e:SupportedDialect>`,
    );
  });

  it('knows no dates without the time of day', async () => {
    const clock = new FakeClock();
    const { ask } = machine({
      environment: {
        now: () => clock.now(),
        after: (delay, callback) => clock.after(delay, callback),
        uuid: () => 'x',
      },
    });
    const answer = await ask(subscribe(`${delivery()}<e:Expires>2027-01-01T00:00:00Z</e:Expires>${filter}`));
    expect(faultOf(answer)).toBe('unsupportedExpirationType');
  });
});

describe('Pull delivery', () => {
  it('waits for an event and brings it with its instances, in the form of the request', async () => {
    const m = machine();
    const context = await m.subscribed(
      subscribe(undefined, { uri: `${dmtf}/*`, selectors: { __cimnamespace: 'root/microsoft/bits' } }),
    );
    const id = await m.create();
    const [answer, took] = await m.wait(pull(context));
    expect(took).toBeLessThanOrEqual(1_000);
    const [item] = itemsOf(answer);
    expect(item).toMatchObject({ local: '__InstanceCreationEvent', uri: `${dmtf}/__InstanceCreationEvent` });
    const target = item?.children.find(({ local }) => local === 'TargetInstance');
    expect(textOf(target, `${dmtf}/BitsClientJob|JobId`)).toBe(id);
    expect(answer.text).toContain('xsi:type="p1:BitsClientJob_Type"');
    expect(textOf(answer.body, `${enumeration}|EnumerationContext`)).toBe(context);
    expect(answer.text).not.toContain('EndOfSequence');
  });

  it('times out when nothing happens, and goes on', async () => {
    const m = machine();
    const context = await m.subscribed();
    const [quiet, took] = await m.wait(pull(context, '', timeout('PT20S')));
    expect([faultOf(quiet), took]).toEqual(['timedOut', 20_000]);
    const [bounded, sooner] = await m.wait(pull(context, '<n:MaxTime>PT5S</n:MaxTime>', timeout('PT20S')));
    expect([faultOf(bounded), sooner]).toEqual(['timedOut', 5_000]);
    await m.create();
    expect(itemsOf((await m.wait(pull(context)))[0])).toHaveLength(1);
  });

  it('brings what there is, as many as are asked for', async () => {
    const m = machine();
    const context = await m.subscribed();
    for (let index = 0; index < 5; index++) await m.create();
    await m.clock.advance(2_000);
    expect(itemsOf(await m.ask(pull(context, '<n:MaxElements>3</n:MaxElements>')))).toHaveLength(3);
    expect(itemsOf(await m.ask(pull(context, '')))).toHaveLength(1);
    expect(itemsOf(await m.ask(pull(context)))).toHaveLength(1);
  });

  it('fills an envelope and no more; what fits none is passed over', async () => {
    const m = machine();
    const context = await m.subscribed();
    const small = '<w:MaxEnvelopeSize s:mustUnderstand="true">8192</w:MaxEnvelopeSize>';
    for (let index = 0; index < 8; index++) await m.create();
    const big = await m.create();
    await m.clock.advance(2_000);
    const taken: number[] = [];
    for (let count = 0; count < 9; ) {
      const answer = await m.ask(pull(context, undefined, small));
      expect(answer.text.length).toBeLessThanOrEqual(8192);
      taken.push(itemsOf(answer).length);
      count += itemsOf(answer).length;
    }
    expect(taken.length).toBeGreaterThan(1);
    await m.jobs.modifyJob(big, { description: 'x'.repeat(9_000) });
    await m.create();
    await m.clock.advance(2_000);
    expect(faultOf(await m.ask(pull(context, undefined, small)))).toBe('maxEnvelopeSizeExceeded');
    expect(itemsOf(await m.ask(pull(context, undefined, small)))).toHaveLength(1);
  });

  it('gives an empty batch as heartbeat', async () => {
    const m = machine();
    const context = await m.subscribed(subscribe(delivery('<w:Heartbeats>PT7S</w:Heartbeats>') + filter));
    const [answer, took] = await m.wait(pull(context));
    expect([answer.status, itemsOf(answer).length, took]).toEqual([200, 0, 7_000]);
  });

  it('belongs to who subscribed, and to one Pull at a time', async () => {
    const m = machine();
    const context = await m.subscribed();
    const names = ['Renew', 'GetStatus', 'Unsubscribe'];
    for (const name of names)
      expect(faultOf(await m.ask(about(name, context), otherAdmin))).toMatch(/unableToRenew|invalidEventMessage/);
    expect(faultOf(await m.ask(pull(context), otherAdmin))).toBe('invalidEnumerationContext');
    const waiting = m.ask(pull(context));
    await settle();
    expect(faultOf(await m.ask(pull(context)))).toBe('pullInProgress');
    expect(faultOf(await m.ask(pull(context, '', `<e:Identifier xmlns:e="${e}">uuid:x</e:Identifier>`)))).toBe(
      'headerRequired',
    );
    await m.create();
    await m.clock.advance(2_000);
    expect(itemsOf(await waiting)).toHaveLength(1);
  });

  it('keeps the events when the client that waited is gone', async () => {
    const m = machine();
    const context = await m.subscribed();
    const gone = new AbortController();
    const body = new TextEncoder().encode(envelope(pull(context)));
    const lost = m.server.handle({ body, contentType: 'application/soap+xml', token: admin, signal: gone.signal });
    await settle();
    gone.abort();
    await lost;
    await m.create();
    expect(itemsOf((await m.wait(pull(context)))[0])).toHaveLength(1);
  });

  it('ends with Unsubscribe, also while a Pull waits', async () => {
    const m = machine();
    const context = await m.subscribed();
    const waiting = m.ask(pull(context));
    await settle();
    const answer = await m.ask(about('Unsubscribe', context));
    expect([answer.action, answer.body]).toEqual([`${e}/UnsubscribeResponse`, undefined]);
    expect(faultOf(await waiting)).toBe('invalidEnumerationContext');
    expect(faultOf(await m.ask(pull(context)))).toBe('invalidEnumerationContext');
    expect(m.clock.next).toBeUndefined();
  });

  it('ends when it expires, and lives on when it is renewed', async () => {
    const m = machine();
    const context = await m.subscribed();
    await m.clock.advance(500_000);
    const renewed = await m.ask(about('Renew', context, '<e:Expires>PT20M</e:Expires>'));
    expect([renewed.action, textOf(renewed.body, `${e}|Expires`)]).toEqual([`${e}/RenewResponse`, 'PT1200.000S']);
    await m.clock.advance(1_000_000);
    const status = await m.ask(about('GetStatus', context));
    expect(textOf(status.body, `${e}|Expires`)).toBe('PT200.000S');
    await m.clock.advance(200_000);
    expect(faultOf(await m.ask(about('Renew', context)))).toBe('unableToRenew');
    expect(faultOf(await m.ask(pull(context)))).toBe('invalidEnumerationContext');
    expect(m.clock.next).toBeUndefined();
  });

  it('is swept when it expired and nobody comes', async () => {
    const m = machine();
    await m.subscribed();
    await m.clock.advance(600_000);
    m.server.sweep();
    expect(m.clock.next).toBeUndefined();
  });

  it('ends with the service', async () => {
    const m = machine();
    const context = await m.subscribed();
    const waiting = m.ask(pull(context));
    await settle();
    await m.server.endSubscriptions();
    expect(faultOf(await waiting)).toBe('invalidEnumerationContext');
    expect(m.clock.next).toBeUndefined();
  });

  it('is capped for each user and for all', async () => {
    const m = machine({ limits: { maxSubscriptionsPerUser: 2, maxSubscriptions: 3 } });
    const first = await m.subscribed();
    await m.subscribed();
    expect(faultOf(await m.ask(subscribe()))).toBe('quotaLimit');
    await m.subscribed(subscribe(), otherAdmin);
    expect(faultOf(await m.ask(subscribe(), otherAdmin))).toBe('quotaLimit');
    await m.ask(about('Unsubscribe', first));
    expect(faultOf(await m.ask(subscribe()))).toBe('none');
  });

  it('ends when nobody fetches, and when the right is taken away', async () => {
    const clock = new FakeClock();
    const jobs = new MemoryJobs();
    const roles: Role[] = ['reader'];
    const dispatcher = createDispatcher({
      providers: { jobs },
      rolesOf: () => roles,
      events: { now: () => clock.now(), after: (delay, callback) => clock.after(delay, callback), maxQueued: 2 },
    });
    const m = machine({ dispatcher });
    const create = () => jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x', suspend: true });
    const overflowing = await m.subscribed(subscribe(), user);
    for (let index = 0; index < 3; index++) await create();
    await clock.advance(2_000);
    const answer = await m.ask(pull(overflowing), user);
    expect(faultOf(answer)).toBe('eventSourceUnable');
    expect(answer.text).toContain(String(0x8004_1061));
    expect(faultOf(await m.ask(pull(overflowing), user))).toBe('invalidEnumerationContext');
    const denied = await m.subscribed(subscribe(), user);
    await create();
    await clock.advance(2_000);
    roles[0] = 'publisher';
    expect(itemsOf(await m.ask(pull(denied), user))).toHaveLength(1);
    await create();
    await clock.advance(2_000);
    roles.pop();
    expect(faultOf(await m.ask(pull(denied), user))).toBe('accessDenied');
  });
});

describe('the client', () => {
  const next = async (source: AsyncIterable<CimInstance>) => (await source[Symbol.asyncIterator]().next()).value;

  it('gets events as they were in the process', async () => {
    const m = machine();
    const events = await inMemoryClient(m.server).subscribe(bitsNamespace, query);
    const direct = await m.dispatcher.session(admin).subscribe(bitsNamespace, query);
    const id = await m.create();
    const [pulled, here] = [next(events), next(direct)];
    await m.clock.advance(2_000);
    const target = (event: CimInstance) => event.properties.get('TargetInstance') ?? null;
    const given = (await pulled) as CimInstance;
    expect([given.className, ...given.properties.keys()]).toEqual([
      '__InstanceCreationEvent',
      'SECURITY_DESCRIPTOR',
      'TIME_CREATED',
      'TargetInstance',
    ]);
    const instance = target(given);
    const expected = target((await here) as CimInstance);
    expect(isInstance(instance) && isInstance(expected) && instance.properties).toEqual(
      isInstance(expected) && expected.properties,
    );
    expect(isInstance(instance) && instance.properties.get('JobId')).toBe(id);
  });

  it('renews at half the time, and is told why it ends', async () => {
    const m = machine();
    const actions: string[] = [];
    const client = createWsmanOperations({
      exchange: ({ body, contentType, signal }) => {
        const action = /<a:Action[^>]*>[^<]*\/(\w+)</.exec(new TextDecoder().decode(body))?.[1] ?? '';
        if (actions.at(-1) !== action) actions.push(action);
        return m.server.handle({ body, contentType, token: admin, signal });
      },
      to: 'http://host.example:5985/wsman',
      uuid: () => '10000000-0000-4000-8000-000000000000',
      now: () => m.clock.now(),
    });
    const events = await client.subscribe(bitsNamespace, query);
    const waiting = next(events);
    await m.clock.advance(1_000_000);
    expect(actions).toEqual(['Subscribe', 'Pull', 'Renew', 'Pull', 'Renew', 'Pull', 'Renew', 'Pull']);
    await m.server.endSubscriptions();
    await expect(waiting).rejects.toMatchObject({ code: 'wsman/fault' });
    expect(actions.at(-1)).toBe('Unsubscribe');
  });

  it('goes on without renewing where that is refused, and unsubscribes when it leaves', async () => {
    const m = machine();
    const seen: string[] = [];
    const client = createWsmanOperations({
      exchange: async ({ body, contentType, signal }) => {
        const text = new TextDecoder().decode(body);
        seen.push(/<a:Action[^>]*>[^<]*\/(\w+)</.exec(text)?.[1] ?? '');
        const refused = text.replace('/Renew<', '/Nothing<');
        return m.server.handle({ body: new TextEncoder().encode(refused), contentType, token: admin, signal });
      },
      to: 'http://host.example:5985/wsman',
      uuid: () => '10000000-0000-4000-8000-000000000000',
      now: () => m.clock.now(),
    });
    const controller = new AbortController();
    const events = await client.subscribe(bitsNamespace, query, { signal: controller.signal });
    const iterator = events[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await m.clock.advance(500_000);
    await m.create();
    await m.clock.advance(2_000);
    expect((await waiting).done).toBe(false);
    expect(seen.filter((action) => action === 'Renew')).toHaveLength(1);
    const last = iterator.next();
    controller.abort();
    expect(await last).toMatchObject({ done: true });
    await settle();
    expect(seen.at(-1)).toBe('Unsubscribe');
    expect(m.clock.next).toBeUndefined();
  });

  it('says the same of a bad query as the dispatcher does', async () => {
    const m = machine();
    for (const bad of ['nonsense', 'SELECT * FROM __InstanceCreationEvent WITHIN 1', query.replace('WITHIN 1 ', '')]) {
      const outcome = (cim: { subscribe: (namespace: string, text: string) => Promise<unknown> }) =>
        cim.subscribe(bitsNamespace, bad).then(
          () => undefined,
          (error: { code: string; hresult: number }) => [error.code, error.hresult],
        );
      expect(await outcome(inMemoryClient(m.server))).toEqual(await outcome(m.dispatcher.session(admin)));
    }
  });
});

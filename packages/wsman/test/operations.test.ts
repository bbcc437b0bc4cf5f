import { bitsNamespace, type CimDispatcher, type CimInstance, type CimOperations, CimSchema } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { settle } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { readFault } from '../src/client/read-fault.ts';
import type { XmlElement } from '../src/xml/element.ts';
import { type Answer, admin, enumeration, envelope, testClasses, testServer, transfer, wmi } from './support.ts';

const never = (): never => {
  throw new Error('must not be called');
};

/** A dispatcher of which only some calls exist. */
function fakeDispatcher(operations: Partial<CimOperations>): CimDispatcher {
  const session: CimOperations = {
    getInstance: never,
    enumerateInstances: never,
    executeQuery: never,
    subscribe: never,
    modifyInstance: never,
    deleteInstance: never,
    invokeMethod: never,
    ...operations,
  };
  return { schema: new CimSchema(testClasses), mayManage: () => true, session: () => session };
}

const job = (id: number, description = ''): CimInstance => ({
  namespace: bitsNamespace,
  className: 'BitsClientJob',
  properties: new Map([
    ['JobId', `{${id}}`],
    ['Description', description],
  ]),
});
const find = (answer: Answer, local: string): XmlElement | undefined =>
  answer.body?.children.find((item) => item.local === local);
const faultOf = (answer: Answer) => readFault(answer.body!).name;
const contextOf = (answer: Answer) => find(answer, 'EnumerationContext')?.text ?? '';
const enumerate = (headers = '') => envelope({ action: `${enumeration}/Enumerate`, headers, body: '<n:Enumerate/>' });
const pull = (context: string, headers = '') =>
  envelope({
    action: `${enumeration}/Pull`,
    headers,
    body: `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext></n:Pull>`,
  });
const release = (context: string) =>
  envelope({
    action: `${enumeration}/Release`,
    body: `<n:Release><n:EnumerationContext>${context}</n:EnumerationContext></n:Release>`,
  });

/** Instances that come when the test says so. */
function source() {
  const waiting: ((result: IteratorResult<CimInstance>) => void)[] = [];
  const ready: IteratorResult<CimInstance>[] = [];
  let closed = false;
  const give = (result: IteratorResult<CimInstance>): void => {
    const wake = waiting.shift();
    if (wake === undefined) ready.push(result);
    else wake(result);
  };
  const items: AsyncIterable<CimInstance> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const result = ready.shift();
        return result === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(result);
      },
      return: async () => {
        closed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  return {
    items,
    give: (instance: CimInstance) => give({ done: false, value: instance }),
    end: () => give({ done: true, value: undefined }),
    isClosed: () => closed,
  };
}

describe('time', () => {
  it('a call that takes too long is aborted and answered with w:TimedOut', async () => {
    let aborted = false;
    const { send, clock } = testServer({
      dispatcher: fakeDispatcher({
        getInstance: (_, options) =>
          new Promise((_resolve, reject) => {
            options?.signal?.addEventListener('abort', () => {
              aborted = true;
              reject(options.signal?.reason as Error);
            });
          }),
      }),
    });
    const answer = send(
      envelope({ selectors: { JobId: '{1}' }, headers: '<w:OperationTimeout>PT5S</w:OperationTimeout>' }),
    );
    await clock.advance(4_999);
    expect(aborted).toBe(false);
    await clock.advance(1);
    expect(aborted).toBe(true);
    expect(faultOf(await answer)).toBe('timedOut');
    expect(clock.next).toBeUndefined();
  });

  it('even when it does not heed the signal', async () => {
    const { send, clock } = testServer({ dispatcher: fakeDispatcher({ getInstance: () => new Promise(() => {}) }) });
    const answer = send(envelope({ selectors: { JobId: '{1}' } }));
    await clock.advance(60_250);
    expect(faultOf(await answer)).toBe('timedOut');
  });

  it('a Pull that waits in vain leaves the context and loses nothing', async () => {
    const { items, give, end } = source();
    const { send, clock } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: () => items }) });
    give(job(1));
    const context = contextOf(await send(enumerate()));
    expect(find(await sendWith(send, clock, pull(context), 60_000), 'Items')?.children).toHaveLength(1);
    const waiting = send(pull(context, '<w:OperationTimeout>PT10S</w:OperationTimeout>'));
    await clock.advance(10_000);
    expect(faultOf(await waiting)).toBe('timedOut');
    give(job(2));
    end();
    const last = await send(pull(context));
    expect(last.text).toContain('{2}');
    expect(find(last, 'EndOfSequence')).toBeDefined();
  });

  it('two Pulls at once collide, a Release cancels', async () => {
    const { items, give, isClosed } = source();
    const { send } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: () => items }) });
    give(job(1));
    const context = contextOf(await send(enumerate()));
    const first = send(
      envelope({
        action: `${enumeration}/Pull`,
        body: `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext><n:MaxElements>5</n:MaxElements></n:Pull>`,
      }),
    );
    await settle();
    expect(faultOf(await send(pull(context)))).toBe('pullInProgress');
    expect((await send(release(context))).status).toBe(200);
    expect((await first).status).toBe(500);
    expect(isClosed()).toBe(true);
    expect(faultOf(await send(pull(context)))).toBe('invalidEnumerationContext');
  });

  it('a Pull is addressed to what was enumerated', async () => {
    const { items, give } = source();
    const { send } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: () => items }) });
    give(job(1));
    const context = contextOf(await send(enumerate()));
    const elsewhere = pull(context).replace(`${wmi}/BitsClientJob`, `${wmi}/BitsCompactServerUrlGroup`);
    expect(faultOf(await send(elsewhere))).toBe('headerRequired');
  });

  it('closing the service ends all enumerations', async () => {
    const { items, give, isClosed } = source();
    const { send, server } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: () => items }) });
    give(job(1));
    await send(enumerate());
    server.close();
    expect(isClosed()).toBe(true);
  });

  it('a source that fails in the middle ends the enumeration with a fault', async () => {
    async function* failing() {
      yield job(1);
      throw new Error('no luck');
    }
    const { send } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: failing }) });
    const context = contextOf(await send(enumerate()));
    const failed = await send(
      envelope({
        action: `${enumeration}/Pull`,
        body: `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext><n:MaxElements>5</n:MaxElements></n:Pull>`,
      }),
    );
    expect(faultOf(failed)).toBe('internalError');
    expect(failed.text).not.toContain('no luck');
    expect(faultOf(await send(pull(context)))).toBe('invalidEnumerationContext');
  });
});

describe('size', () => {
  const small = '<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>';
  const long = 'ä'.repeat(5_000);

  it('a reply that is too large is a fault that says whether something was done', async () => {
    const { send } = testServer({
      dispatcher: fakeDispatcher({
        getInstance: async () => job(1, long),
        modifyInstance: async () => job(1, long),
      }),
    });
    const selectors = { JobId: '{1}' };
    expect(faultOf(await send(envelope({ selectors, headers: small })))).toBe('maxEnvelopeSizeExceeded');
    expect((await send(envelope({ selectors }))).status).toBe(200);
    const body = `<p:BitsClientJob xmlns:p="${wmi}/BitsClientJob"><p:Priority>1</p:Priority></p:BitsClientJob>`;
    const tight = testServer({
      limits: { maxEnvelopeSize: 9_000 },
      dispatcher: fakeDispatcher({ getInstance: async () => job(1, long) }),
    });
    expect(faultOf(await tight.send(envelope({ selectors })))).toBe('serviceEnvelopeLimit');
    const put = envelope({ selectors, headers: small, action: `${transfer}/Put`, body });
    expect(faultOf(await send(put))).toBe('unreportableSuccess');
  });

  it('an item that does not fit alone is told of and passed over', async () => {
    const { items, give, end } = source();
    const { send } = testServer({ dispatcher: fakeDispatcher({ enumerateInstances: () => items }) });
    give(job(1, long));
    give(job(2));
    end();
    const context = contextOf(await send(enumerate(small)));
    expect(faultOf(await send(pull(context, small)))).toBe('maxEnvelopeSizeExceeded');
    expect((await send(pull(context, small))).text).toContain('{2}');
  });

  it('no more enumerations than there is room for, whoever owns them', async () => {
    const full = testServer({
      limits: { maxEnumerations: 2 },
      dispatcher: fakeDispatcher({
        enumerateInstances: async function* () {
          yield job(1);
          yield job(2);
        },
      }),
    });
    expect((await full.send(enumerate())).status).toBe(200);
    expect((await full.send(enumerate(), { ...admin, userSid: 'S-1-5-21-2' })).status).toBe(200);
    expect(faultOf(await full.send(enumerate(), { ...admin, userSid: 'S-1-5-21-3' }))).toBe('quotaLimit');
    await full.clock.advance(240_001);
    expect((await full.send(enumerate())).status).toBe(200);
  });

  it('no more enumerations of one user than he may have', async () => {
    const dispatcher = fakeDispatcher({
      enumerateInstances: async function* () {
        yield job(1);
        yield job(2);
      },
    });
    const { send } = testServer({ limits: { maxEnumerationsPerUser: 1 }, dispatcher });
    expect((await send(enumerate())).status).toBe(200);
    expect(faultOf(await send(enumerate()))).toBe('tooManyOperations');
    expect((await send(enumerate(), { ...admin, userSid: 'S-1-5-21-2' })).status).toBe(200);
  });

  it('MaxCharacters ends a Pull early, and an item that has more is kept for another', async () => {
    const { send } = testServer({
      dispatcher: fakeDispatcher({
        enumerateInstances: async function* () {
          for (let id = 1; id <= 4; id++) yield job(id, 'x'.repeat(1_000));
        },
      }),
    });
    const context = contextOf(await send(enumerate()));
    const take = async (characters: number) => {
      const body = `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext><n:MaxElements>9</n:MaxElements><n:MaxCharacters> ${characters}\n</n:MaxCharacters></n:Pull>`;
      const answer = await send(envelope({ action: `${enumeration}/Pull`, body }));
      if (answer.status !== 200) return faultOf(answer);
      return (find(answer, 'Items')?.children ?? []).map(
        (item) => item.children.find(({ local }) => local === 'JobId')?.text,
      );
    };
    expect(await take(500)).toBe('encodingLimit');
    expect(await take(4_500)).toEqual(['{1}', '{2}']);
    expect(await take(0)).toBe('schemaValidation');
    expect(await take(99_999)).toEqual(['{3}', '{4}']);
  });
});

describe('what a provider says', () => {
  it.each([
    ['cim/invalid-parameter', 'invalidParameter'],
    ['cim/invalid-object-path', 'invalidSelectors'],
    ['internal/shutting-down', 'endpointUnavailable'],
    ['cim/failed', 'internalError'],
  ] as const)('%s is %s', async (code, expected) => {
    const { send } = testServer({
      dispatcher: fakeDispatcher({ getInstance: () => Promise.reject(new CarmineError(code)) }),
    });
    expect(faultOf(await send(envelope({ selectors: { JobId: '{1}' } })))).toBe(expected);
  });
});

describe('values', () => {
  it('takes certificate hashes as numbers and as base64', async () => {
    const seen: unknown[] = [];
    const { send } = testServer({
      dispatcher: fakeDispatcher({
        invokeMethod: async (_, method, parameters) => {
          seen.push([method, parameters.get('CertHash')]);
          return { returnValue: 0x80070057, out: new Map() };
        },
      }),
    });
    const run = (hash: string) =>
      send(
        envelope({
          action: `${wmi}/BitsClientJob/setclientcertificatebyid`,
          selectors: { JobId: '{1}' },
          body: `<X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"><CertStoreLocation>0</CertStoreLocation><storename>MY</storename>${hash}</X>`,
        }),
      );
    const numbers = await run('<CertHash>1</CertHash><CertHash> 2</CertHash><CertHash>255</CertHash>');
    await run('<CertHash xsi:type="cim:cimBase64Binary">AQL/</CertHash>');
    expect(seen).toEqual([
      ['SetClientCertificateById', Uint8Array.of(1, 2, 255)],
      ['SetClientCertificateById', Uint8Array.of(1, 2, 255)],
    ]);
    expect(find(numbers, 'ReturnValue')?.text).toBe('2147942487');
    expect(numbers.action).toBe(`${wmi}/BitsClientJob/setclientcertificatebyidResponse`);
  });

  it('marks null arrays when asked to be precise', async () => {
    const { send } = testServer({ dispatcher: fakeDispatcher({ getInstance: async () => job(1) }) });
    const options =
      '<w:OptionSet><w:Option Name="msftwinrm:UsePreciseArrays" Type="xs:boolean">true</w:Option></w:OptionSet>';
    const plain = await send(envelope({ selectors: { JobId: '{1}' } }));
    const precise = await send(envelope({ selectors: { JobId: '{1}' }, headers: options }));
    expect(find(plain, 'Files')?.attributes.map((item) => item.local)).toEqual(['nil']);
    expect(find(precise, 'Files')?.attributes.map((item) => item.local)).toEqual(['nil', 'IsNullArray']);
  });
});

async function sendWith(
  send: (text: string) => Promise<Answer>,
  clock: { advance(milliseconds: number): Promise<void> },
  text: string,
  milliseconds: number,
): Promise<Answer> {
  const answer = send(text);
  await clock.advance(milliseconds);
  return answer;
}

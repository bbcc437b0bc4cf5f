import type { HttpAcceptor, SecurityContext } from '@carmine/auth';
import {
  bitsClientJobClass,
  bitsNamespace,
  type CimInstance,
  createDispatcher,
  type MethodResult,
  type ObjectPath,
} from '@carmine/cim';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { type Token, wellKnownSids } from '@carmine/security';
import {
  createWsmanConnection,
  createWsmanOperations,
  createWsmanServer,
  type ExchangeRequest,
  type ExchangeResponse,
  type WsmanConnection,
  type WsmanExchange,
  type WsmanOperations,
  type WsmanServer,
} from '@carmine/wsman';
import { sealedType, sealFrame } from '../../../sealed-frame.ts';
import { countingJobs } from '../../counting-jobs.ts';
import { BrokenPromise, bytesOf, type FuzzSeed, type FuzzTarget, textOf } from '../target.ts';

/**
 * WS-Management: requests at the server (XML, SOAP, CIM values, WQL), sealed frames on a connection, answers at the
 * client. A server never throws and never blames itself for what it was sent.
 */
export async function wsmanTarget(): Promise<FuzzTarget> {
  const server = newServer();
  const seeds: FuzzSeed[] = [];
  for (const [name, call] of calls) {
    for (const { request, response } of await record(server, call)) {
      seeds.push({ name: `wsman request: ${name}`, input: request.body, feed: (input) => ask(server, input) });
      seeds.push({
        name: `wsman answer: ${name}`,
        input: response.body,
        // Answers may have a megabyte, for those who asked for that much; time and memory are in proportion.
        maximum: 65_536,
        async feed(input) {
          await call(clientOf(once({ ...response, body: input }))).catch(unlessOver);
          return undefined;
        },
      });
    }
  }
  const followed = await record(server, followEvents);
  for (const { request } of followed)
    seeds.push({ name: 'wsman request about events', input: request.body, feed: (input) => ask(server, input) });
  const granted = followed[0]!.response;
  const answers = [granted, { ...granted, body: bytesOf(pulledEvent) }];
  for (const [index, answer] of answers.entries()) {
    seeds.push({
      name: `wsman answer: ${index === 0 ? 'Subscribe' : 'Pull of an event'}`,
      input: answer.body,
      maximum: 65_536,
      async feed(input) {
        const response = { ...answer, body: input };
        await followEvents(clientOf(once(...answers.slice(0, index), response))).catch(unlessOver);
        return undefined;
      },
    });
  }
  seeds.push({
    name: 'wsman request: Subscribe for a push',
    input: bytesOf(pushSubscribe),
    feed: (input) => ask(server, input),
  });
  for (const [name, text] of requests)
    seeds.push({ name: `wsman request: ${name}`, input: bytesOf(text), feed: (input) => ask(server, input) });
  const connection = newConnection(server);
  const frame = concat(`${sealedType}\n`, sealFrame(context, bytesOf(identify)).body);
  seeds.push({ name: 'wsman sealed frame', input: frame, feed: (input) => askSealed(connection, input) });
  const utf16 = concat('', Uint8Array.from([0xff, 0xfe, ...Buffer.from(identify, 'utf16le')]));
  seeds.push({ name: 'wsman request in UTF-16', input: utf16, feed: (input) => ask(server, input, 'UTF-16') });
  return { seeds, dictionary, maximum: 520_000, documented };
}

/** What a client may throw for an answer: anything that the registry does not call our own fault. */
function documented(error: unknown): boolean {
  return isCarmineError(error) && error.kind !== 'local';
}

const path: ObjectPath = {
  namespace: bitsNamespace,
  className: bitsClientJobClass.name,
  keys: new Map([['JobId', '{00000000-0000-4000-8000-000000000001}']]),
};

type Call = (client: WsmanOperations) => Promise<unknown>;

const calls: readonly (readonly [name: string, call: Call])[] = [
  ['Identify', (client) => client.identify()],
  ['Get', (client): Promise<CimInstance> => client.getInstance(path)],
  ['Put', (client) => client.modifyInstance(path, new Map([['DisplayName', 'an&other <name>']]))],
  ['Enumerate', (client) => all(client.enumerateInstances(bitsNamespace, path.className))],
  ['references', (client) => all(client.enumerateReferences(bitsNamespace, path.className))],
  [
    'associators',
    (client) =>
      all(
        client.executeQuery(
          bitsNamespace,
          "ASSOCIATORS OF {BitsClientJob.JobId='{00000000-0000-4000-8000-000000000001}'} WHERE Role = x",
        ),
      ),
  ],
  [
    'query',
    (client) =>
      all(client.executeQuery(bitsNamespace, "SELECT * FROM BitsClientJob WHERE State = 2 OR JobId LIKE '%a'")),
  ],
  ['projection', (client) => all(client.executeQuery(bitsNamespace, 'SELECT JobId, Files FROM BitsClientJob'))],
  [
    'CreateJob',
    (client): Promise<MethodResult> =>
      client.invokeMethod(
        { ...path, keys: new Map() },
        'CreateJob',
        new Map<string, string | number | boolean>([
          ['DisplayName', 'copy'],
          ['RemoteUrl', 'https://host/file'],
          ['LocalFile', '/srv/inbox/file'],
          ['Suspend', true],
          ['Type', 0],
        ]),
      ),
  ],
  ['SetJobState', (client) => client.invokeMethod(path, 'SetJobState', new Map([['JobState', 2]]))],
  ['a fault', (client) => client.invokeMethod(path, 'GetError', new Map([['LanguageId', 1033]]))],
];

/** Takes events for a moment; nothing happens, so that Pulls time out and, by the clock of this client, Renew is due each time. */
async function followEvents(client: WsmanOperations): Promise<void> {
  const query =
    "SELECT * FROM __InstanceModificationEvent WITHIN 2 WHERE TargetInstance ISA 'BitsClientJob' AND TargetInstance.State <> PreviousInstance.State";
  const events = (await client.subscribe(bitsNamespace, query))[Symbol.asyncIterator]();
  const first = events.next();
  first.catch(() => {});
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  await events.return?.();
  await first;
}

/** There is more to fetch after this answer; that is well. */
function unlessOver(error: unknown): void {
  if (!isCarmineError(error, 'wsman/unreachable')) throw error;
}

/** These answers, and then no more: each input is read once. */
function once(...responses: readonly ExchangeResponse[]): WsmanExchange {
  let given = 0;
  return async () => {
    const response = responses[given++];
    if (response === undefined)
      throw new CarmineError('wsman/unreachable', { context: { target: 'host', reason: 'gone' } });
    return response;
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function newServer(): WsmanServer {
  let now = 0;
  let next = 0;
  return createWsmanServer({
    dispatcher: createDispatcher({
      providers: { jobs: countingJobs(() => {}) },
      events: { now: () => now++, after: () => () => {} },
    }),
    environment: {
      // Time passes with each look at the clock: enumerations that mutations start are dropped again.
      now: () => now++,
      date: () => now,
      // Whoever waits has waited long enough as soon as all others are done.
      after(_delay, callback) {
        const timer = setImmediate(callback);
        return () => clearImmediate(timer);
      },
      uuid: () => `00000000-0000-4000-8000-${(++next).toString(16).padStart(12, '0')}`,
    },
    identity: { vendor: 'Carmine', version: 'fuzz' },
    push: {
      allows: (url) => url.startsWith('http://sink.example/'),
      send: async () => ({ status: 202, contentType: undefined, body: new Uint8Array(0) }),
    },
    limits: { enumerationTimeout: 500, subscriptionTime: 500, maxSubscriptionTime: 500 },
  });
}

/** `step`: milliseconds that pass with each look at the clock. */
function clientOf(exchange: WsmanExchange, step = 0): WsmanOperations {
  let now = 0;
  return createWsmanOperations({
    exchange,
    to: 'http://host:5985/wsman',
    now: () => (now += step),
    uuid: () => 'aaaaaaaa-0000-4000-8000-00000000000a',
    batchSize: 1,
  });
}

async function record(server: WsmanServer, call: Call) {
  const messages: { readonly request: ExchangeRequest; readonly response: ExchangeResponse }[] = [];
  const client = clientOf(async (request) => {
    const response = await server.handle({ body: request.body, contentType: request.contentType, token: admin });
    messages.push({ request, response });
    return response;
  }, renewing);
  await call(client).catch((error: unknown) => {
    if (!isCarmineError(error)) throw error;
  });
  return messages;
}

async function ask(server: WsmanServer, body: Uint8Array, charset = 'UTF-8'): Promise<undefined> {
  const contentType = `application/soap+xml;charset=${charset}`;
  check(await server.handle({ body, contentType, token: admin }).catch(thrown));
  return undefined;
}

async function askSealed(connection: WsmanConnection, input: Uint8Array): Promise<undefined> {
  const end = input.indexOf(0x0a);
  const contentType = textOf(input.subarray(0, Math.max(0, end)));
  const body = input.subarray(end + 1);
  const contentLength = body.length;
  const head = { method: 'POST', url: '/wsman', authorization: 'x', soapAction: undefined, identify: undefined };
  const decision = connection.begin({ ...head, contentType, contentLength });
  if (decision.kind === 'body') check(await decision.finish(body, new AbortController()).catch(thrown));
  return undefined;
}

function check({ status, body }: { readonly status: number; readonly body: Uint8Array }): void {
  if (![200, 400, 413, 415, 500].includes(status)) throw new BrokenPromise(`status ${status}`);
  // [MS-WSMV] has this one fault of the sender's under that name.
  const text = textOf(body);
  if (status === 500 && text.includes('w:InternalError') && !text.includes('ConnectionRetry'))
    throw new BrokenPromise(`the server blames itself: ${text}`);
}

function thrown(error: unknown): never {
  throw new BrokenPromise(`the server threw ${String(error)}`, { cause: error });
}

function newConnection(server: WsmanServer): WsmanConnection {
  const acceptor: HttpAcceptor = { context, authenticate: () => ({ kind: 'accepted', token: admin }) };
  return createWsmanConnection({ server, acceptor, secureTransport: false, anonymousIdentify: false });
}

const unused = (): never => {
  throw new BrokenPromise('must not be called');
};

/** Seals with a checksum and no secret, so that one frame is like the other. */
const context: SecurityContext = {
  mechanism: 'ntlm',
  complete: true,
  step: unused,
  sign: unused,
  verify: unused,
  sessionKey: new Uint8Array(16),
  peer: undefined,
  wrap: (plaintext) => ({ header: checksum(plaintext), data: plaintext.map((byte) => byte ^ 0xff) }),
  unwrap({ header, data }) {
    const plaintext = data.map((byte) => byte ^ 0xff);
    if (String(checksum(plaintext)) !== String(header)) throw new CarmineError('auth/bad-signature');
    return plaintext;
  },
};

function checksum(plaintext: Uint8Array): Uint8Array {
  const header = new Uint8Array(16).fill(1);
  header[15] = plaintext.reduce((sum, byte) => (sum + byte) & 0xff, 0);
  return header;
}

const identify =
  '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Body><i:Identify/></s:Body></s:Envelope>';

/** Two instances inside an event. */
const pulledEvent = [
  '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:Header/><s:Body>',
  '<n:PullResponse><n:EnumerationContext>uuid:1</n:EnumerationContext><n:Items>',
  '<p:__InstanceModificationEvent xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/__InstanceModificationEvent" xmlns:p1="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/BitsClientJob" xsi:type="p:__InstanceModificationEvent_Type">',
  '<p:PreviousInstance xsi:type="p1:BitsClientJob_Type"><p1:JobId>{1}</p1:JobId><p1:State>1</p1:State></p:PreviousInstance>',
  '<p:SECURITY_DESCRIPTOR xsi:nil="true"/><p:TIME_CREATED>133000000000000000</p:TIME_CREATED>',
  '<p:TargetInstance xsi:type="p1:BitsClientJob_Type"><p1:JobId>{1}</p1:JobId><p1:State>2</p1:State><p1:BytesTotal>7</p1:BytesTotal></p:TargetInstance>',
  '</p:__InstanceModificationEvent></n:Items></n:PullResponse></s:Body></s:Envelope>',
].join('');

/** Everything that a Subscribe can say. */
const bits = 'http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits';
const oneJob =
  '<w:SelectorSet><w:Selector Name="JobId">{00000000-0000-4000-8000-000000000001}</w:Selector></w:SelectorSet>';

const pushSubscribe = [
  '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing"><s:Header>',
  '<a:To>http://host:5985/wsman</a:To><a:Action>http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe</a:Action><a:MessageID>uuid:1</a:MessageID>',
  '<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>',
  '<w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/*</w:ResourceURI></s:Header><s:Body><e:Subscribe>',
  '<e:EndTo><a:Address>http://sink.example/end</a:Address></e:EndTo><e:Delivery Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Events">',
  '<e:NotifyTo><a:Address>http://sink.example/in</a:Address><a:ReferenceParameters><e:Identifier>uuid:2</e:Identifier></a:ReferenceParameters></e:NotifyTo>',
  '<w:Heartbeats>PT30S</w:Heartbeats><w:ConnectionRetry Total="3">PT10S</w:ConnectionRetry><w:MaxElements>20</w:MaxElements><w:MaxTime>PT1S</w:MaxTime>',
  '<w:MaxEnvelopeSize Policy="Notify">16384</w:MaxEnvelopeSize></e:Delivery><e:Expires>PT10M</e:Expires>',
  '<w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA \'BitsClientJob\'</w:Filter>',
  '</e:Subscribe></s:Body></s:Envelope>',
].join('');

/** What our client does not send. */
const requests: readonly (readonly [name: string, text: string])[] = [
  [
    'Get of a fragment',
    request('transfer/Get', `${bits}/BitsClientJob`, oneJob + fragmentHeader('Files[1]/RemoteUrl/text()'), ''),
  ],
  [
    'Put of a fragment',
    request(
      'transfer/Put',
      `${bits}/BitsClientJob`,
      oneJob + fragmentHeader('./p:Priority[1]'),
      '<w:XmlFragment><Priority>1</Priority></w:XmlFragment>',
    ),
  ],
  [
    'classes',
    request(
      'enumeration/Enumerate',
      'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*',
      '<w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector><w:Selector Name="ClassName">BitsClientJob</w:Selector></w:SelectorSet><w:OptionSet><w:Option Name="IncludeClassOrigin" Type="xs:boolean">true</w:Option></w:OptionSet>',
      '<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements><w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode></n:Enumerate>',
    ),
  ],
  [
    'association filter',
    request(
      'enumeration/Enumerate',
      `${bits}/*`,
      '',
      `<n:Enumerate><w:OptimizeEnumeration/><n:Expires>PT10M</n:Expires><w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"><b:AssociatedInstances xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"><b:Object><a:Address>urn:x</a:Address><a:ReferenceParameters><w:ResourceURI>${bits}/BitsClientJob</w:ResourceURI>${oneJob}</a:ReferenceParameters></b:Object><b:Role>x</b:Role></b:AssociatedInstances></w:Filter></n:Enumerate>`,
    ),
  ],
];

function request(action: string, uri: string, headers: string, body: string): string {
  return [
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>',
    `<a:To>http://host:5985/wsman</a:To><a:Action>http://schemas.xmlsoap.org/ws/2004/09/${action}</a:Action><a:MessageID>uuid:1</a:MessageID>`,
    '<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>',
    `<w:ResourceURI>${uri}</w:ResourceURI>${headers}</s:Header><s:Body>${body}</s:Body></s:Envelope>`,
  ].join('');
}

function fragmentHeader(fragment: string): string {
  return `<w:FragmentTransfer s:mustUnderstand="true">${fragment}</w:FragmentTransfer>`;
}

function concat(text: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([bytesOf(text), ...parts]));
}

/** Milliseconds after which a client renews. */
const renewing = 400_000;

const admin: Token = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [wellKnownSids.administrators],
  scheme: 'ntlm',
  source: '192.0.2.7',
  protectedChannel: true,
};

const dictionary = [
  '<s:Body>',
  '</s:Body>',
  '<s:Header>',
  '<a>',
  '</a>',
  '<a/>',
  ' xmlns:q="urn:q"',
  ' xmlns=""',
  ' s:mustUnderstand="true"',
  ' xsi:nil="true"',
  '<!--',
  '-->',
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE x [<!ENTITY e "x">]>',
  '<?x?>',
  '&amp;',
  '&#x0;',
  '&#1114111;',
  '&e;',
  'PT0S',
  'P1Y',
  'uuid:',
  '__cimnamespace',
  'BitsClientFile',
  '\u00e9\u6f22',
  '\ufeff',
];

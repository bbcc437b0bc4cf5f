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

/** There is more to fetch after this answer; that is well. */
function unlessOver(error: unknown): void {
  if (!isCarmineError(error, 'wsman/unreachable')) throw error;
}

/** An answer, and then no more: each input is read once. */
function once(response: ExchangeResponse): WsmanExchange {
  let given = false;
  return async () => {
    if (given) throw new CarmineError('wsman/unreachable', { context: { target: 'host', reason: 'gone' } });
    given = true;
    return response;
  };
}

async function all(items: AsyncIterable<CimInstance>): Promise<readonly CimInstance[]> {
  const list: CimInstance[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function newServer(): WsmanServer {
  let now = 0;
  let next = 0;
  return createWsmanServer({
    dispatcher: createDispatcher({ providers: { jobs: countingJobs(() => {}) } }),
    environment: {
      // Time passes with each look at the clock: enumerations that mutations start are dropped again.
      now: () => now++,
      after: () => () => {},
      uuid: () => `00000000-0000-4000-8000-${(++next).toString(16).padStart(12, '0')}`,
    },
    identity: { vendor: 'Carmine', version: 'fuzz' },
    limits: { enumerationTimeout: 500 },
  });
}

function clientOf(exchange: WsmanExchange): WsmanOperations {
  return createWsmanOperations({
    exchange,
    to: 'http://host:5985/wsman',
    now: () => 0,
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
  });
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
  if (decision.kind === 'body') check(await decision.finish(body, new AbortController().signal).catch(thrown));
  return undefined;
}

function check({ status, body }: { readonly status: number; readonly body: Uint8Array }): void {
  if (![200, 400, 413, 415, 500].includes(status)) throw new BrokenPromise(`status ${status}`);
  if (status === 500 && textOf(body).includes('w:InternalError'))
    throw new BrokenPromise(`the server blames itself: ${textOf(body)}`);
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

function concat(text: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([bytesOf(text), ...parts]));
}

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

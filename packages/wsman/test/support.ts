import type { CimDispatcher } from '@carmine/cim';
import {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  createDispatcher,
} from '@carmine/cim';
import { MemoryJobs, MemoryUrlGroups } from '@carmine/compliance';
import { type Token, wellKnownSids } from '@carmine/security';
import { FakeClock } from '@carmine/testkit';
import {
  createWsmanOperations,
  createWsmanServer,
  requestLimits,
  type WsmanExchange,
  type WsmanServer,
  type WsmanServerOptions,
} from '../src/index.ts';
import { child, type XmlElement } from '../src/xml/element.ts';
import { parseXml } from '../src/xml/parse.ts';

export const admin: Token = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [wellKnownSids.administrators],
  scheme: 'ntlm',
  source: '127.0.0.1',
  protectedChannel: true,
};
export const otherAdmin: Token = { ...admin, name: 'HOST\\other', userSid: 'S-1-5-21-1-2-3-1001' };
export const user: Token = { ...admin, name: 'HOST\\user', userSid: 'S-1-5-21-1-2-3-1002', groupSids: [] };

export const wmi = 'http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits';
export const dmtf = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2';
export const wql = 'http://schemas.microsoft.com/wbem/wsman/1/WQL';
export const anonymous = 'http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous';
export const soap = 'http://www.w3.org/2003/05/soap-envelope';
export const transfer = 'http://schemas.xmlsoap.org/ws/2004/09/transfer';
export const enumeration = 'http://schemas.xmlsoap.org/ws/2004/09/enumeration';

export const testClasses = [bitsClientFileClass, bitsClientJobClass, bitsCompactServerUrlGroupClass];

export interface TestServer {
  readonly server: WsmanServer;
  readonly dispatcher: CimDispatcher;
  readonly jobs: MemoryJobs;
  readonly urlGroups: MemoryUrlGroups;
  readonly clock: FakeClock;
  /** Sends an envelope and takes the answer apart. */
  readonly send: (text: string, token?: Token) => Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly text: string;
  readonly root: XmlElement;
  readonly body: XmlElement | undefined;
  readonly action: string | undefined;
  readonly relatesTo: string | undefined;
}

/** A service on providers in memory, with virtual time and countable identifiers. */
export function testServer(changes: Partial<WsmanServerOptions> = {}): TestServer {
  const jobs = new MemoryJobs();
  const urlGroups = new MemoryUrlGroups();
  const providers = { jobs, jobExtensions: jobs, urlGroups, urlGroupExtensions: urlGroups };
  const clock = new FakeClock();
  const dispatcher = changes.dispatcher ?? createDispatcher({ providers, events: clock });
  let next = 0;
  const server = createWsmanServer({
    dispatcher,
    environment: {
      now: () => clock.now(),
      date: () => clock.now(),
      after: (delay, callback) => clock.after(delay, callback),
      uuid: () => `00000000-0000-4000-8000-${(++next).toString(16).padStart(12, '0')}`,
    },
    identity: { vendor: 'Carmine', version: 'test' },
    machine: 'host.example',
    ...changes,
  });
  return {
    server,
    dispatcher,
    jobs,
    urlGroups,
    clock,
    send: async (text, token = admin) => {
      const body = new TextEncoder().encode(text);
      return readAnswer(await server.handle({ body, contentType: 'application/soap+xml;charset=UTF-8', token }));
    },
  };
}

export function readAnswer(response: { status: number; contentType: string | undefined; body: Uint8Array }): Answer {
  const text = new TextDecoder().decode(response.body);
  const root = parseXml(text, { ...requestLimits, nodes: 1_000_000 });
  const header = child(root, soap, 'Header');
  const addressing = 'http://schemas.xmlsoap.org/ws/2004/08/addressing';
  return {
    status: response.status,
    contentType: response.contentType,
    text,
    root,
    body: child(root, soap, 'Body')?.children[0],
    action: child(header, addressing, 'Action')?.text,
    relatesTo: child(header, addressing, 'RelatesTo')?.text,
  };
}

/** A client whose transport is the server core. */
export function inMemoryClient(server: WsmanServer, token = admin, batchSize = 3) {
  let next = 0;
  const exchange: WsmanExchange = ({ body, contentType, signal }) =>
    server.handle({ body, contentType, token, signal });
  return createWsmanOperations({
    exchange,
    to: 'http://host.example:5985/wsman',
    now: () => 0,
    uuid: () => `10000000-0000-4000-8000-${(++next).toString(16).padStart(12, '0')}`,
    batchSize,
  });
}

/** What can be different in a request of the winrm.cmd kind; null leaves a header out. */
export interface RequestParts {
  readonly action?: string | null;
  readonly uri?: string | null;
  readonly selectors?: Readonly<Record<string, string>>;
  readonly to?: string | null;
  readonly messageId?: string | null;
  readonly replyTo?: string | null;
  readonly headers?: string;
  readonly selectorSet?: string;
  readonly body?: string;
}

/** A request with the header set of winrm.cmd (spec: section 12). */
export function envelope(parts: RequestParts): string {
  const header = (name: string, value: string | null | undefined, fallback: string): string =>
    value === null ? '' : `<${name} s:mustUnderstand="true">${value ?? fallback}</${name}>`;
  const selectors = Object.entries(parts.selectors ?? {}).map(
    ([name, value]) => `<w:Selector Name="${name}">${value}</w:Selector>`,
  );
  return [
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"',
    ' xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"',
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"',
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">',
    '<s:Header>',
    parts.to === null ? '' : `<a:To>${parts.to ?? 'http://host.example:5985/wsman'}</a:To>`,
    header('w:ResourceURI', parts.uri, `${wmi}/BitsClientJob`),
    parts.replyTo === null
      ? ''
      : `<a:ReplyTo><a:Address s:mustUnderstand="true">${parts.replyTo ?? anonymous}</a:Address></a:ReplyTo>`,
    header('a:Action', parts.action, `${transfer}/Get`),
    parts.messageId === null
      ? ''
      : `<a:MessageID>${parts.messageId ?? 'uuid:AAAAAAAA-0000-0000-0000-00000000000A'}</a:MessageID>`,
    '<w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/>',
    '<p:SessionId s:mustUnderstand="false">uuid:BBBBBBBB-0000-0000-0000-00000000000B</p:SessionId>',
    '<p:OperationID s:mustUnderstand="false">uuid:CCCCCCCC-0000-0000-0000-00000000000C</p:OperationID>',
    '<p:SequenceId s:mustUnderstand="false">1</p:SequenceId>',
    parts.selectorSet ?? (selectors.length === 0 ? '' : `<w:SelectorSet>${selectors.join('')}</w:SelectorSet>`),
    parts.headers ?? '',
    '</s:Header>',
    parts.body === undefined ? '<s:Body/>' : `<s:Body>${parts.body}</s:Body>`,
    '</s:Envelope>',
  ].join('');
}

import type { CimValue } from '@carmine/cim';
import { formatDuration } from '../protocol/duration.ts';
import { anonymousAddress, namespaces } from '../protocol/names.ts';
import { writeSelectors } from '../protocol/selectors.ts';
import { XmlWriter } from '../xml/writer.ts';

/** What stands in the header of a request. */
export interface RequestHead {
  readonly to: string;
  readonly action: string;
  readonly resourceUri: string;
  readonly messageId: string;
  readonly selectors: Iterable<readonly [string, CimValue]>;
  /** Reference parameter of a subscription manager. */
  readonly identifier?: string | undefined;
  /** Milliseconds. */
  readonly operationTimeout: number;
}

/**
 * A request with the header set of winrm.cmd (spec: section 12). No OperationID: then no server uses robust connections
 * (spec: section 9).
 */
export function writeRequest(head: RequestHead, body: string): string {
  const writer = new XmlWriter().start('s:Envelope', requestNamespaces).start('s:Header');
  writer.element('a:To', head.to).element('w:ResourceURI', head.resourceUri, understood);
  writer.start('a:ReplyTo').element('a:Address', anonymousAddress, understood).end('a:ReplyTo');
  writer.element('a:Action', head.action, understood);
  writer.element('w:MaxEnvelopeSize', String(clientEnvelopeSize), understood);
  writer.element('a:MessageID', head.messageId);
  writer.empty('w:Locale', locale).empty('p:DataLocale', locale);
  writeSelectors(writer, head.selectors);
  if (head.identifier !== undefined) writer.element('e:Identifier', head.identifier, { 'xmlns:e': namespaces.e });
  writer.element('w:OperationTimeout', formatDuration(head.operationTimeout)).end('s:Header');
  if (body === '') writer.empty('s:Body');
  else writer.start('s:Body').append(body).end('s:Body');
  return writer.end('s:Envelope').toString();
}

/** Identify has no addressing headers (DSP0226 R11-1). */
export function writeIdentifyRequest(): string {
  const writer = new XmlWriter().start('s:Envelope', { 'xmlns:s': namespaces.s, 'xmlns:wsmid': namespaces.wsmid });
  return writer.empty('s:Header').start('s:Body').empty('wsmid:Identify').end('s:Body').end('s:Envelope').toString();
}

/** Octets: the default of Windows 8 and later, which OMI and Openwsman also grant. */
const clientEnvelopeSize = 512_000;

const understood = { 's:mustUnderstand': 'true' };
const locale = { 'xml:lang': 'en-US', 's:mustUnderstand': 'false' };
const requestNamespaces = {
  'xmlns:s': namespaces.s,
  'xmlns:a': namespaces.a,
  'xmlns:n': namespaces.n,
  'xmlns:w': namespaces.w,
  'xmlns:p': namespaces.p,
};

import { FixedAttributes, XmlWriter } from '../xml/writer.ts';
import { type Fault, type FaultDefinition, faultDefinition } from './faults.ts';
import { anonymousAddress, faultActions, faultDetailBase, namespaces } from './names.ts';

/** What stands in the header of a response. */
export interface ResponseHead {
  readonly action: string;
  /** `uuid:` and an upper-case GUID, as on Windows. */
  readonly messageId: string;
  /** MessageID of the request, byte for byte; undefined when it had none. */
  readonly relatesTo: string | undefined;
  /** Reference parameters of ReplyTo, already written (DSP0226 R5.4.2-5). */
  readonly extraHeaders?: string | undefined;
}

/** A response: `body` is what goes inside s:Body. Header order is that of Windows (spec: section 4.3). */
export function writeResponse(head: ResponseHead, body: string): string {
  const writer = new XmlWriter().start('s:Envelope', responseNamespaces).start('s:Header');
  writeHead(writer, head);
  return finish(writer, body);
}

/** A fault: DSP0226 section 14, with WSManFault ([MS-WSMV] 2.2.4.43). `machine` names this computer. */
export function writeFault(head: Omit<ResponseHead, 'action'>, fault: Fault, machine: string): string {
  const row = faultDefinition(fault.name);
  const prefix = (row.subcode ?? 's').split(':')[0] as keyof typeof faultActions;
  const writer = new XmlWriter().start('s:Envelope', responseNamespaces).start('s:Header');
  writeHead(writer, { ...head, action: faultActions[prefix] });
  for (const { uri, local } of fault.notUnderstood ?? [])
    writer.empty('s:NotUnderstood', { qname: `q:${local}`, 'xmlns:q': uri });
  return finish(writer, faultBody(fault, row, machine));
}

/** Identify's response has no addressing headers (spec: section 7.1). */
export function writeBareResponse(body: string): string {
  const writer = new XmlWriter().start('s:Envelope', { 'xml:lang': language, 'xmlns:s': namespaces.s });
  return writer
    .start('s:Header')
    .end('s:Header')
    .start('s:Body')
    .append(body)
    .end('s:Body')
    .end('s:Envelope')
    .toString();
}

function writeHead(writer: XmlWriter, head: ResponseHead): void {
  writer.element('a:Action', head.action).element('a:MessageID', head.messageId).element('a:To', anonymousAddress);
  if (head.relatesTo !== undefined) writer.element('a:RelatesTo', head.relatesTo);
  if (head.extraHeaders !== undefined) writer.append(head.extraHeaders);
}

function finish(writer: XmlWriter, body: string): string {
  writer.end('s:Header');
  if (body === '') writer.empty('s:Body');
  else writer.start('s:Body').append(body).end('s:Body');
  return writer.end('s:Envelope').toString();
}

function faultBody(fault: Fault, row: FaultDefinition, machine: string): string {
  const text = fault.text ?? row.text;
  const writer = new XmlWriter().start('s:Fault').start('s:Code').element('s:Value', row.value);
  if (row.subcode !== undefined) {
    // The one prefix that an envelope does not declare anyway.
    const declared = row.subcode.startsWith('b:') ? { 'xmlns:b': namespaces.b } : undefined;
    writer.start('s:Subcode').element('s:Value', row.subcode, declared).end('s:Subcode');
  }
  writer.end('s:Code').start('s:Reason').element('s:Text', text, { 'xml:lang': language }).end('s:Reason');
  // SOAP's own codes carry no detail on Windows, VersionMismatch excepted.
  if (row.value === 's:MustUnderstand') return writer.end('s:Fault').toString();
  writer.start('s:Detail');
  for (const [name, value] of fault.details ?? []) writer.element(name, value);
  if (row.detail !== undefined) writer.element('w:FaultDetail', faultDetailBase + row.detail);
  const code = String(fault.code ?? row.code);
  writer.start('f:WSManFault', { 'xmlns:f': namespaces.f, Code: code, Machine: machine });
  if (fault.hresult === undefined) writer.element('f:Message', text);
  else {
    writer.start('f:Message').start('f:ProviderFault', { provider: 'WMI Provider', path: '' });
    writer.start('f:WSManFault', { 'xmlns:f': namespaces.f, Code: String(fault.hresult), Machine: machine });
    writer.element('f:Message', text).end('f:WSManFault').end('f:ProviderFault').end('f:Message');
  }
  return writer.end('f:WSManFault').end('s:Detail').end('s:Fault').toString();
}

const language = 'en-US';

const responseNamespaces = new FixedAttributes({
  'xml:lang': language,
  'xmlns:s': namespaces.s,
  'xmlns:a': namespaces.a,
  'xmlns:x': namespaces.x,
  'xmlns:e': namespaces.e,
  'xmlns:n': namespaces.n,
  'xmlns:w': namespaces.w,
  'xmlns:p': namespaces.p,
});

import { parseDuration } from '../protocol/duration.ts';
import { isForUs, mustUnderstand } from '../protocol/envelope.ts';
import { faultError } from '../protocol/faults.ts';
import { anonymousAddress, namespaces } from '../protocol/names.ts';
import { attribute, child, children, trimmedText, type XmlElement } from '../xml/element.ts';
import type { WsmanLimits } from './limits.ts';

/** The headers of a request after their rules were checked (spec: section 4.2). */
export interface RequestHeaders {
  readonly action: string;
  readonly resourceUri: string | undefined;
  readonly selectorSet: XmlElement | undefined;
  /** Milliseconds, capped. */
  readonly timeout: number;
  /** Octets of the response envelope that the client takes, capped; undefined when it did not say. */
  readonly maxEnvelopeSize: number | undefined;
  /** Texts of the options by lower-case name; of those that repeat the last (spec: section 4.5). */
  readonly options: ReadonlyMap<string, string>;
  /** w:FragmentTransfer. */
  readonly fragment: XmlElement | undefined;
  /** e:Identifier: which subscription the message is about. */
  readonly identifier: string | undefined;
  /** Reference parameters of ReplyTo, which go into the header of the reply. */
  readonly replyParameters: readonly XmlElement[];
}

/** MessageID as RelatesTo needs it, whatever else is wrong with the headers. */
export function messageIdOf(headers: readonly XmlElement[]): string | undefined {
  const id = trimmedText(headers.find((header) => header.uri === namespaces.a && header.local === 'MessageID'));
  return id === undefined || id === '' || id.length > 2048 ? undefined : id;
}

/** Throws s:MustUnderstand, naming each header block that must be understood and is not known. */
export function checkUnderstood(headers: readonly XmlElement[]): void {
  const notUnderstood = headers.filter(
    (header) => mustUnderstand(header) && isForUs(header) && !isKnown(header.uri, header.local),
  );
  if (notUnderstood.length > 0)
    throw faultError('mustUnderstand', { notUnderstood: notUnderstood.map(({ uri, local }) => ({ uri, local })) });
}

/** Checks and reads the headers; each violation throws the fault of spec section 4.2. */
export function readHeaders(headers: readonly XmlElement[], limits: WsmanLimits): RequestHeaders {
  const found = byName(headers);
  requireText(found, 'a:To');
  const action = requireText(found, 'a:Action');
  if (action.length > 4096) throw faultError('malformedAction');
  // "Empty or missing: InvalidMessageInformationHeader" ([MS-WSMV] 3.1.4.1.5).
  if (messageIdOf(headers) === undefined)
    throw faultError('invalidHeader', { text: 'MessageID is missing, empty or too long.' });
  const replyTo = found.get('a:ReplyTo');
  if (replyTo === undefined) throw headerRequired('a:ReplyTo');
  checkAddress(replyTo);
  const faultTo = found.get('a:FaultTo');
  if (faultTo !== undefined) checkAddress(faultTo);
  checkLocales(found);
  const activity = trimmedText(found.get('p:ActivityId'));
  if (activity !== undefined && activity.length > 2048) throw faultError('invalidHeader');
  const fragment = found.get('w:FragmentTransfer');
  // A fragment that may be ignored would turn a part into a whole ([MS-WSMV] 3.1.4.1.18).
  if (fragment !== undefined && !mustUnderstand(fragment)) throw faultError('invalidHeader');
  const resourceUri = trimmedText(found.get('w:ResourceURI'));
  if (resourceUri !== undefined && resourceUri.length > 2048) throw faultError('uriLimitExceeded');
  return {
    action,
    resourceUri,
    selectorSet: found.get('w:SelectorSet'),
    timeout: readTimeout(found.get('w:OperationTimeout'), limits),
    maxEnvelopeSize: readMaxEnvelopeSize(found.get('w:MaxEnvelopeSize'), limits),
    options: readOptions(found.get('w:OptionSet')),
    fragment,
    identifier: trimmedText(found.get('e:Identifier')),
    replyParameters: child(replyTo, namespaces.a, 'ReferenceParameters')?.children ?? [],
  };
}

/** Known headers by prefixed name; one that comes twice is refused (DSP0226 R13.1-9). */
function byName(headers: readonly XmlElement[]): ReadonlyMap<string, XmlElement> {
  const found = new Map<string, XmlElement>();
  for (const header of headers) {
    const name = knownName(header.uri, header.local);
    if (name === undefined) continue;
    if (found.has(name)) throw faultError('invalidHeader', { text: `The header ${name} is given twice.` });
    found.set(name, header);
  }
  return found;
}

function requireText(found: ReadonlyMap<string, XmlElement>, name: string): string {
  const text = trimmedText(found.get(name));
  if (text === undefined || text === '') throw headerRequired(name);
  return text;
}

function headerRequired(name: string) {
  return faultError('headerRequired', { details: [['a:ProblemHeaderQName', name]] });
}

function checkAddress(reference: XmlElement): void {
  const address = trimmedText(child(reference, namespaces.a, 'Address'));
  if (address === undefined) throw faultError('invalidHeader', { text: 'An endpoint reference has no Address.' });
  // [MS-WSMV] 3.1.4.1.4 prints a trailing slash.
  if (address !== anonymousAddress && address !== `${anonymousAddress}/`) throw faultError('addressingMode');
}

/** "MUST on Windows": a locale that must be understood is refused, whichever it is ([MS-WSMV] 3.1.4.1.8, .9). */
function checkLocales(found: ReadonlyMap<string, XmlElement>): void {
  const locale = found.get('w:Locale');
  if (locale !== undefined && mustUnderstand(locale)) throw faultError('locale');
  const dataLocale = found.get('p:DataLocale');
  if (dataLocale !== undefined && mustUnderstand(dataLocale)) throw faultError('dataLocale');
}

function readTimeout(header: XmlElement | undefined, limits: WsmanLimits): number {
  if (header === undefined) return limits.maxTimeout;
  const value = parseDuration(header.text);
  if (value === undefined || value <= 0) throw faultError('invalidTimeout');
  return Math.min(value, limits.maxTimeout);
}

function readMaxEnvelopeSize(header: XmlElement | undefined, limits: WsmanLimits): number | undefined {
  if (header === undefined) return undefined;
  const text = header.text.trim();
  if (!/^\+?\d{1,12}$/.test(text)) throw faultError('invalidHeader', { text: 'MaxEnvelopeSize is not a number.' });
  const value = Number(text);
  if (value < 8192) throw faultError('minimumEnvelopeLimit');
  return Math.min(value, limits.maxEnvelopeSize);
}

/** Options are never a reason to refuse ([MS-WSMV] note 52), unless they are too long. */
function readOptions(set: XmlElement | undefined): ReadonlyMap<string, string> {
  if (set === undefined) return noOptions;
  const options = new Map<string, string>();
  for (const option of children(set, namespaces.w, 'Option')) {
    const name = attribute(option, '', 'Name') ?? '';
    if (name.length > 2048 || option.text.length > 4096) throw faultError('optionLimit');
    options.set(name.trim().toLowerCase(), option.text.trim());
  }
  return options;
}

/** Whether a switch was set; xs:boolean in any case. */
export function isOptionSet(headers: RequestHeaders, name: string, otherwise = false): boolean {
  const text = headers.options.get(name.toLowerCase());
  return text === undefined ? otherwise : /^(true|1)$/i.test(text);
}

const noOptions: ReadonlyMap<string, string> = new Map();

function isKnown(uri: string, local: string): boolean {
  return knownName(uri, local) !== undefined;
}

function knownName(uri: string, local: string): string | undefined {
  return knownHeaders.get(uri)?.get(local);
}

const knownNames =
  'a:To a:Action a:MessageID a:ReplyTo a:FaultTo a:From a:RelatesTo ' +
  'w:ResourceURI w:SelectorSet w:OperationTimeout w:MaxEnvelopeSize w:Locale w:OptionSet w:RequestEPR ' +
  'w:FragmentTransfer w:RequestTotalItemsCountEstimate ' +
  'p:DataLocale p:SessionId p:OperationID p:SequenceId p:ActivityId e:Identifier';

const knownHeaders = new Map<string, Map<string, string>>();
for (const name of knownNames.split(' ')) {
  const [prefix = '', local = ''] = name.split(':');
  const uri = namespaces[prefix as keyof typeof namespaces];
  if (!knownHeaders.has(uri)) knownHeaders.set(uri, new Map());
  knownHeaders.get(uri)?.set(local, name);
}

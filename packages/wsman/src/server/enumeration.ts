import { type CimInstance, type CimValue, keyProperties, normaliseNamespace } from '@carmine/cim';
import { parseXmlDateTime } from '@carmine/core';
import { parseDuration } from '../protocol/duration.ts';
import { encodeFragment, encodeInstance } from '../protocol/encode-cim.ts';
import { carriedFault, faultError } from '../protocol/faults.ts';
import { actions, namespaces } from '../protocol/names.ts';
import { writeEndpointReference } from '../protocol/selectors.ts';
import { child, trimmedText, type XmlElement } from '../xml/element.ts';
import { encodedLength } from '../xml/encoding.ts';
import { XmlWriter } from '../xml/writer.ts';
import { classSource, classWriter } from './class-schema.ts';
import { Cursor } from './cursor.ts';
import type { Enumeration, EnumerationStore } from './enumeration-store.ts';
import { readSource } from './filter.ts';
import { place } from './place.ts';
import type { EnumerationMode, Source } from './source.ts';
import type { Call, Reply, Target } from './types.ts';

/** DSP0226 section 8.2 and 8.3, spec section 7.7: starts an enumeration, and answers with a batch if asked to. */
export async function enumerate(call: Call, store: EnumerationStore): Promise<Reply> {
  const body = requireContent(call, 'Enumerate');
  const isSchema = call.target.uri.form === 'cimxml';
  const mode = readMode(trimmedText(child(body, namespaces.w, 'EnumerationMode')) ?? 'EnumerateObject');
  checkPolymorphism(trimmedText(child(body, namespaces.b, 'PolymorphismMode')));
  checkExpires(trimmedText(child(body, namespaces.n, 'Expires')));
  const source = isSchema ? classSource(call, body) : readSource(call, body);
  const owner = call.token.userSid;
  store.checkRoom(owner);
  const cursor = new Cursor((signal) => source.open(signal));
  const writeItem = isSchema ? classWriter(call, mode) : itemWriter(call, source, mode);
  try {
    // The first item is fetched at once, so that a bad query is refused here and not by the first Pull.
    const first = await place(source.place, () => cursor.peek(call.signal));
    const optimised = child(body, namespaces.w, 'OptimizeEnumeration') !== undefined;
    const start = { owner, targetKey: keyOf(call.target), cursor, writeItem };
    const writer = new XmlWriter().start('n:EnumerateResponse');
    if (!optimised) {
      writer.element('n:EnumerationContext', store.add(start).id);
    } else {
      const max = readMaxElements(child(body, namespaces.w, 'MaxElements'), call);
      // An item that does not fit is left to the first Pull, which tells so.
      const batch = first === undefined ? noItems : await fillBatch(call, cursor, writeItem, max, 'keep');
      writer.element('n:EnumerationContext', batch.done ? '' : store.add(start).id);
      writer.start('w:Items').append(batch.items).end('w:Items');
      if (batch.done) writer.empty('w:EndOfSequence');
      if (batch.done) cursor.close();
    }
    return { action: `${actions.enumerate}Response`, body: writer.end('n:EnumerateResponse').toString() };
  } catch (error) {
    cursor.close();
    throw error;
  }
}

/** DSP0226 section 8.4, spec section 7.9. */
export async function pull(call: Call, store: EnumerationStore): Promise<Reply> {
  const body = requireContent(call, 'Pull');
  const enumeration = findEnumeration(call, store, body);
  if (enumeration.pulling) throw faultError('pullInProgress');
  const max = readMaxElements(child(body, namespaces.n, 'MaxElements'), call);
  const maxCharacters = readMaxCharacters(child(body, namespaces.n, 'MaxCharacters'));
  enumeration.pulling = true;
  let done = false;
  let items: string;
  try {
    const batch = await fillBatch(call, enumeration.cursor, enumeration.writeItem, max, 'skip', maxCharacters);
    // "Nothing available in time": the context stays valid and the client tries again.
    if (batch.items === '' && !batch.done) throw faultError('timedOut');
    ({ done, items } = batch);
  } catch (error) {
    if (!isRetryable(error)) store.remove(enumeration);
    throw error;
  } finally {
    enumeration.pulling = false;
    store.touch(enumeration);
  }
  const writer = new XmlWriter().start('n:PullResponse');
  // The last response has no context, or some clients would pull once more.
  if (!done) writer.element('n:EnumerationContext', enumeration.id);
  writer.start('n:Items').append(items).end('n:Items');
  if (done) {
    writer.empty('n:EndOfSequence');
    store.remove(enumeration);
  }
  return { action: `${actions.pull}Response`, body: writer.end('n:PullResponse').toString() };
}

/** DSP0226 section 8.5. A Pull that is waiting is cancelled (R8.5-4). */
export async function release(call: Call, store: EnumerationStore): Promise<Reply> {
  store.remove(findEnumeration(call, store, requireContent(call, 'Release')));
  return { action: `${actions.release}Response`, body: '' };
}

function readMode(text: string): EnumerationMode {
  if (text === 'EnumerateObject' || text === 'EnumerateEPR' || text === 'EnumerateObjectAndEPR') return text;
  throw faultError('enumerationMode');
}

/** No class here has subclasses, so every mode means the same; Windows ignores it altogether ([MS-WSMV] 3.1.4.1.27). */
function checkPolymorphism(mode: string | undefined): void {
  if (mode !== undefined && !/^((In|Ex)cludeSubClassProperties|None)$/.test(mode)) throw faultError('polymorphismMode');
}

/** A client may say when it will have forgotten (DSP0226 section 8.2); our own limit is what counts, if what it says is a time. */
function checkExpires(text: string | undefined): void {
  if (text === undefined) return;
  const duration = parseDuration(text);
  if (duration === undefined ? parseXmlDateTime(text) === undefined : duration <= 0)
    throw faultError('invalidEnumerationExpiration');
}

/** How items look (DSP0226 section 8.7). A projection has no EPRs unless its keys were selected too. */
function itemWriter(call: Call, source: Source, mode: EnumerationMode): (instance: CimInstance) => string {
  const { encoding } = call;
  const write = source.projection ? encodeFragment : encodeInstance;
  switch (mode) {
    case 'EnumerateObject':
      return (instance) => write(encoding, instance);
    case 'EnumerateEPR':
      return (instance) => reference(call, instance);
    case 'EnumerateObjectAndEPR':
      return (instance) => {
        const writer = new XmlWriter().start('w:Item').append(write(encoding, instance));
        return writer.append(reference(call, instance)).end('w:Item').toString();
      };
  }
}

function reference(call: Call, instance: CimInstance): string {
  const cls = call.encoding.schema.findClass(instance.namespace, instance.className);
  const keys: (readonly [string, CimValue])[] = [];
  for (const { name } of cls === undefined ? [] : keyProperties(cls)) {
    const value = instance.properties.get(name);
    if (value === undefined) throw faultError('cannotProcessFilter', { text: 'References need the keys selected.' });
    keys.push([name, value]);
  }
  return writeEndpointReference(call.target.uri, call.target.namespace, cls?.name ?? instance.className, keys);
}

interface Batch {
  readonly items: string;
  readonly done: boolean;
}

/**
 * Takes items until `max`, the envelope's limit, the end, or the end of the call's time. What does not fit even alone is
 * skipped with a fault (UNSPECIFIED whether it should be; else a client could never get past it), or kept for later.
 */
async function fillBatch(
  call: Call,
  cursor: Cursor<CimInstance>,
  writeItem: (instance: CimInstance) => string,
  max: number,
  oversized: 'skip' | 'keep',
  maxCharacters = Number.POSITIVE_INFINITY,
): Promise<Batch> {
  const limit = call.bodyLimit() - encodedLength(batchFrame, call.textEncoding);
  let items = '';
  let octets = 0;
  for (let count = 0; ; count++) {
    const next = await cursor.peek(call.signal);
    if (next === undefined) return { items, done: false };
    if (next.done === true) return { items, done: true };
    if (count === max) return { items, done: false };
    const item = writeItem(next.value);
    octets += encodedLength(item, call.textEncoding);
    if (items.length + item.length > maxCharacters) {
      // UNSPECIFIED: an item with more characters is kept for a Pull that takes it.
      if (count > 0) return { items, done: false };
      throw faultError('encodingLimit', { text: 'The next item has more than MaxCharacters.' });
    }
    if (octets > limit) {
      if (count > 0 || oversized === 'keep') return { items, done: false };
      cursor.take();
      throw faultError(call.headers.maxEnvelopeSize === undefined ? 'serviceEnvelopeLimit' : 'maxEnvelopeSizeExceeded');
    }
    cursor.take();
    items += item;
  }
}

function findEnumeration(call: Call, store: EnumerationStore, body: XmlElement): Enumeration {
  const id = trimmedText(child(body, namespaces.n, 'EnumerationContext')) ?? '';
  const enumeration = store.find(id, call.token.userSid);
  // "Pull/Release with a missing or different EPR" (DSP0226 R8.4-5, R8.5-3).
  if (enumeration.targetKey !== keyOf(call.target))
    throw faultError('headerRequired', { details: [['a:ProblemHeaderQName', 'w:ResourceURI']] });
  return enumeration;
}

function requireContent(call: Call, local: string): XmlElement {
  const { content } = call;
  if (content === undefined || content.local !== local || content.uri !== namespaces.n)
    throw faultError('schemaValidation');
  return content;
}

/** One when absent (DSP0226 R8.4-9); more than the service's maximum is no fault (R8.4-10). */
export function readMaxElements(element: XmlElement | undefined, call: Call): number {
  const text = trimmedText(element);
  if (text === undefined || text === '') return 1;
  if (!/^\+?\d{1,20}$/.test(text) || /^\+?0+$/.test(text)) throw faultError('schemaValidation');
  return Math.min(Number(text), call.limits.maxBatchItems);
}

/** Of the items of one Pull (DSP0226 section 8.4); counted as UTF-16 has them, which are never fewer. */
function readMaxCharacters(element: XmlElement | undefined): number {
  const text = trimmedText(element);
  if (text === undefined || text === '') return Number.POSITIVE_INFINITY;
  if (!/^\+?\d{1,20}$/.test(text) || /^\+?0+$/.test(text)) throw faultError('schemaValidation');
  return Number(text);
}

function keyOf(target: Target): string {
  return `${target.uri.form === 'cimxml' ? 'class ' : ''}${normaliseNamespace(target.namespace)}:${target.cls?.name.toLowerCase() ?? '*'}`;
}

function isRetryable(error: unknown): boolean {
  const name = carriedFault(error)?.name;
  return (
    name === 'timedOut' ||
    name === 'encodingLimit' ||
    name === 'maxEnvelopeSizeExceeded' ||
    name === 'serviceEnvelopeLimit'
  );
}

const noItems: Batch = { items: '', done: false };
/** What stands around the items at most. */
const batchFrame =
  '<n:EnumerateResponse><n:EnumerationContext>uuid:00000000-0000-0000-0000-000000000000</n:EnumerationContext><w:Items></w:Items><w:EndOfSequence/></n:EnumerateResponse>';

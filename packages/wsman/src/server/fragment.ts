import { type CimClass, type CimInstance, type CimValue, parseScalar } from '@carmine/cim';
import { decodeElements } from '../protocol/decode-cim.ts';
import { encodeInstance, encodeNodes } from '../protocol/encode-cim.ts';
import { faultError } from '../protocol/faults.ts';
import { type FragmentPath, findFragment, parseFragmentPath, selectFragment } from '../protocol/fragment-path.ts';
import { actions, dialects, namespaces } from '../protocol/names.ts';
import { attribute, type XmlElement } from '../xml/element.ts';
import { XmlWriter } from '../xml/writer.ts';
import { place } from './place.ts';
import { targetClass } from './target.ts';
import { readPath } from './transfer.ts';
import type { Call, Operation, Reply } from './types.ts';

/** Get and Put of a part of an instance (DSP0226 section 7.7); with any other action a fragment is not supported. */
export function fragmentOperation(action: string, header: XmlElement): Operation {
  if (action !== actions.get && action !== actions.put) throw faultError('fragmentLevelAccess');
  const dialect = attribute(header, '', 'Dialect')?.trim();
  if (dialect !== undefined && dialect !== dialects.xpath) throw faultError('fragmentDialect');
  const path = parseFragmentPath(header.text);
  return (call) => (action === actions.get ? getFragment(call, header, path) : putFragment(call, header, path));
}

async function getFragment(call: Call, header: XmlElement, path: FragmentPath): Promise<Reply> {
  findFragment(call.encoding.schema, targetClass(call.target), path);
  const instance = await call.session.getInstance(readPath(call), { signal: call.signal });
  return { ...reply(call, header, path, instance), action: `${actions.get}Response` };
}

/** One property of the instance itself, wholly. Read-only ones are refused: nothing would be left of the Put. */
async function putFragment(call: Call, header: XmlElement, path: FragmentPath): Promise<Reply> {
  const cls = targetClass(call.target);
  const target = findFragment(call.encoding.schema, cls, path);
  const objectPath = readPath(call);
  if (!cls.properties.some((property) => property.writable)) throw faultError('actionMismatch');
  const [step] = path.steps;
  if (
    target === undefined ||
    step === undefined ||
    path.steps.length > 1 ||
    (step.index ?? 1) !== 1 ||
    target.property.array
  )
    throw faultError('fragmentPath', { text: 'Put takes a single property of the instance.' });
  const { property } = target;
  if (property.key) throw faultError('keysChanged');
  if (!property.writable) throw faultError('representationValues', { text: `${property.name} is read-only.` });
  const value = readFragment(call, cls, path, property.name);
  const instance = await place('representation', () =>
    call.session.modifyInstance(objectPath, new Map([[property.name, value]]), { signal: call.signal }),
  );
  return { ...reply(call, header, path, instance), action: `${actions.put}Response`, changed: true };
}

/** The property's element in w:XmlFragment, or after `text()` its text. */
function readFragment(call: Call, cls: CimClass, path: FragmentPath, name: string): CimValue {
  const { content } = call;
  if (content === undefined || content.local !== 'XmlFragment' || content.uri !== namespaces.w)
    throw faultError('invalidFragment');
  const property = cls.properties.find((candidate) => candidate.name === name);
  if (property === undefined) throw faultError('invalidFragment');
  return place('representation', () => {
    if (path.text) {
      if (content.children.length > 0) throw faultError('invalidFragment');
      return parseScalar(property, content.text);
    }
    const decoding = { schema: call.encoding.schema, namespace: cls.namespace };
    const given = decodeElements(decoding, [property], content.children, () => {
      throw faultError('invalidFragment');
    });
    const value = given.get(name);
    if (value === undefined) throw faultError('invalidFragment');
    return value;
  });
}

function reply(call: Call, header: XmlElement, path: FragmentPath, instance: CimInstance): Omit<Reply, 'action'> {
  const { encoding } = call;
  const isWhole = path.steps.length === 0;
  const nodes = isWhole ? [] : selectFragment(encoding.schema, instance, path);
  const body = isWhole
    ? new XmlWriter().start('w:XmlFragment').append(encodeInstance(encoding, instance)).end('w:XmlFragment').toString()
    : encodeNodes(encoding, nodes, path.text);
  // "Echoed in the response": the path as it was sent.
  const headers = new XmlWriter().element('w:FragmentTransfer', header.text.trim(), { 's:mustUnderstand': 'true' });
  return { body, headers: headers.toString() };
}

import { type CimClass, type CimValue, findByName, parseScalar } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { namespaces } from '../protocol/names.ts';
import { attribute, child, children, type XmlElement } from '../xml/element.ts';

/**
 * The keys in an a:EndpointReference (DSP0226 section 5.1.2), typed where the class is known. Older servers call the parameters
 * properties (spec: section 5.3). The namespace selector is no key.
 */
export function readReference(cls: CimClass | undefined, reference: XmlElement): ReadonlyMap<string, CimValue> {
  const parameters =
    child(reference, namespaces.a, 'ReferenceParameters') ?? child(reference, namespaces.a, 'ReferenceProperties');
  const set = child(parameters, namespaces.w, 'SelectorSet');
  if (set === undefined)
    throw new CarmineError('wsman/unexpected', { context: { reason: 'a reference without keys' } });
  const keys = new Map<string, CimValue>();
  for (const selector of children(set, namespaces.w, 'Selector')) {
    const name = attribute(selector, '', 'Name') ?? '';
    if (name.toLowerCase() === '__cimnamespace') continue;
    const property = cls === undefined ? undefined : findByName(cls.properties, name);
    keys.set(property?.name ?? name, property === undefined ? selector.text : parseScalar(property, selector.text));
  }
  return keys;
}

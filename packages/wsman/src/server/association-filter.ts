import { faultError } from '../protocol/faults.ts';
import { namespaces } from '../protocol/names.ts';
import { child, trimmedText, type XmlElement } from '../xml/element.ts';
import { place } from './place.ts';
import type { Source } from './source.ts';
import { findTarget } from './target.ts';
import { readPath } from './transfer.ts';
import type { Call } from './types.ts';

/**
 * b:AssociatedInstances and b:AssociationInstances (DSP0227 section 8.2, spec: section 7.8). No class here is an association, so
 * an object that exists has nothing to do with any other; one that does not is told, and so is a class that does not exist.
 */
export function associationSource(call: Call, filter: XmlElement): Source {
  const [wanted] = filter.children;
  const known = wanted?.uri === namespaces.b && /^Associat(ed|ion)Instances$/.test(wanted.local);
  const object = known && filter.children.length === 1 ? child(wanted, namespaces.b, 'Object') : undefined;
  if (wanted === undefined || object === undefined) throw faultError('cannotProcessFilter');
  const { schema } = call.encoding;
  const path = place('filter', () => {
    // The EPR's children stand in b:Object itself; some wrap them as DSP0226 does.
    const reference = child(object, namespaces.a, 'EndpointReference') ?? object;
    const parameters = child(reference, namespaces.a, 'ReferenceParameters');
    const address = {
      resourceUri: trimmedText(child(parameters, namespaces.w, 'ResourceURI')),
      selectorSet: child(parameters, namespaces.w, 'SelectorSet'),
    };
    return readPath({ ...call, target: findTarget(address, schema, call.target.namespace) });
  });
  for (const name of ['AssociationClassName', 'ResultClassName']) {
    const className = trimmedText(child(wanted, namespaces.b, name));
    if (className !== undefined && schema.findClass(path.namespace, className) === undefined)
      throw faultError('cannotProcessFilter', { text: `There is no class ${className}.` });
  }
  return {
    projection: false,
    place: 'operation',
    async *open(signal) {
      await call.session.getInstance(path, { signal });
      yield* [];
    },
  };
}

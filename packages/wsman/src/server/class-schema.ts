import type { CimClass, CimInstance } from '@carmine/cim';
import { faultError } from '../protocol/faults.ts';
import { actions, namespaces } from '../protocol/names.ts';
import { writeEndpointReference } from '../protocol/selectors.ts';
import { type ClassDetails, writeClass } from '../protocol/write-class.ts';
import { children, type XmlElement } from '../xml/element.ts';
import { isOptionSet } from './request-headers.ts';
import type { EnumerationMode, Source } from './source.ts';
import type { Call, Operation } from './types.ts';

/**
 * Classes instead of instances ([MS-WSMV] 3.1.4.1.38, DSP0227 section 15; spec: section 8): what Get-CimClass asks for, and
 * Invoke-CimMethod before it calls. Published to everybody who may manage; no provider is asked.
 */
export const getClass: Operation = async (call) => {
  const { cls } = call.target;
  if (cls === undefined) throw faultError('insufficientSelectors', { text: 'The selector ClassName is missing.' });
  return { action: `${actions.get}Response`, body: writeClass(cls, readDetails(call)) };
};

/** The named class and its subclasses, of which there are none here; without a name all classes of the namespace. */
export function classSource(call: Call, body: XmlElement): Source {
  if ([namespaces.n, namespaces.w].some((uri) => children(body, uri, 'Filter').length > 0))
    throw faultError('filteringNotSupported');
  // Paths of classes would be another form, of which nobody has seen an example.
  for (const option of ['IncludePath', 'ExcludeClassSpecification'])
    if (isOptionSet(call.headers, option))
      throw faultError('optionNotSupported', { text: `${option} is not supported.` });
  const { target, encoding } = call;
  const classes = target.cls === undefined ? encoding.schema.classesIn(target.namespace) : [target.cls];
  return {
    projection: false,
    place: 'operation',
    async *open() {
      for (const cls of classes) yield named(cls);
    },
  };
}

/** Writes the classes that `classSource` names. */
export function classWriter(call: Call, mode: EnumerationMode): (item: CimInstance) => string {
  const details = readDetails(call);
  const { schema } = call.encoding;
  const { uri, namespace } = call.target;
  const write = ({ className }: CimInstance): string => {
    const cls = schema.findClass(namespace, className);
    return cls === undefined ? '' : writeClass(cls, details);
  };
  const reference = ({ className }: CimInstance): string =>
    writeEndpointReference(uri, namespace, '*', [['ClassName', className]]);
  if (mode === 'EnumerateObject') return write;
  if (mode === 'EnumerateEPR') return reference;
  return (item) => `<w:Item>${write(item)}${reference(item)}</w:Item>`;
}

function named(cls: CimClass): CimInstance {
  return { namespace: cls.namespace, className: cls.name, properties: new Map() };
}

function readDetails({ headers }: Call): ClassDetails {
  return {
    includeQualifiers: isOptionSet(headers, 'IncludeQualifiers', true),
    includeClassOrigin: isOptionSet(headers, 'IncludeClassOrigin'),
  };
}

import {
  type CimClass,
  type CimElement,
  type CimMethod,
  type CimQualifier,
  classQualifiers,
  methodQualifiers,
  parameterQualifiers,
  propertyQualifiers,
} from '@carmine/cim';
import { type XmlAttributes, XmlWriter } from '../xml/writer.ts';

/** What of a class is wanted: options of the same names ([MS-WSMV] 3.1.4.2). */
export interface ClassDetails {
  readonly includeQualifiers: boolean;
  readonly includeClassOrigin: boolean;
}

/** A class as the CLASS element of CIM-XML (DSP0201), in no namespace (spec: section 8). No class here has a superclass. */
export function writeClass(cls: CimClass, details: ClassDetails): string {
  const writer = new XmlWriter().start('CLASS', { NAME: cls.name });
  writeQualifiers(writer, details, classQualifiers(cls));
  const CLASSORIGIN = details.includeClassOrigin ? cls.name : undefined;
  for (const property of cls.properties) {
    const { tag, attributes } = typed('PROPERTY', property);
    writer.start(tag, { ...attributes, CLASSORIGIN, ...embedded(property) });
    writeQualifiers(writer, details, propertyQualifiers(property));
    writer.end(tag);
  }
  for (const method of cls.methods) writeMethod(writer, details, method, CLASSORIGIN);
  return writer.end('CLASS').toString();
}

function writeMethod(writer: XmlWriter, details: ClassDetails, method: CimMethod, origin: string | undefined): void {
  writer.start('METHOD', { NAME: method.name, TYPE: 'uint32', CLASSORIGIN: origin });
  writeQualifiers(writer, details, methodQualifiers(method));
  method.parameters.forEach((parameter, id) => {
    const { tag, attributes } = typed('PARAMETER', parameter);
    writer.start(tag, attributes);
    writeQualifiers(writer, details, parameterQualifiers(parameter, id));
    writer.end(tag);
  });
  writer.end('METHOD');
}

/** Arrays have element names of their own; an embedded instance is a string that says so. */
function typed(tag: string, element: CimElement): { readonly tag: string; readonly attributes: XmlAttributes } {
  const type = element.type === 'object' ? 'string' : element.type;
  return { tag: element.array ? `${tag}.ARRAY` : tag, attributes: { NAME: element.name, TYPE: type } };
}

function embedded(element: CimElement): XmlAttributes {
  return { EmbeddedObject: element.type === 'object' ? 'instance' : undefined };
}

function writeQualifiers(writer: XmlWriter, details: ClassDetails, qualifiers: readonly CimQualifier[]): void {
  if (!details.includeQualifiers) return;
  for (const { name, value } of qualifiers) {
    const type = value === true ? 'boolean' : typeof value === 'string' ? 'string' : 'sint32';
    writer.start('QUALIFIER', { NAME: name, TYPE: type });
    writer.element('VALUE', value === true ? 'TRUE' : String(value)).end('QUALIFIER');
  }
}

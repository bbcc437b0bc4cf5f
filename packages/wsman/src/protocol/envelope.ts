import { attribute, children, type XmlElement } from '../xml/element.ts';
import { faultError } from './faults.ts';
import { namespaces } from './names.ts';

/** A SOAP 1.2 envelope taken apart. `content` is the only child of s:Body, if there is one. */
export interface Envelope {
  readonly headers: readonly XmlElement[];
  readonly content: XmlElement | undefined;
}

/** Takes an envelope apart. Throws faults: VersionMismatch for SOAP 1.1, SchemaValidationError for anything else. */
export function readEnvelope(root: XmlElement): Envelope {
  if (root.local !== 'Envelope') throw faultError('schemaValidation');
  // Any other namespace is another version of SOAP (SOAP 1.2 part 1, section 5.4.7).
  if (root.uri !== namespaces.s) throw faultError('versionMismatch');
  const headers = children(root, namespaces.s, 'Header');
  const bodies = children(root, namespaces.s, 'Body');
  const [body] = bodies;
  if (bodies.length !== 1 || headers.length > 1 || root.children.length !== headers.length + 1 || body === undefined)
    throw faultError('schemaValidation');
  // UNSPECIFIED: a body with several children; Windows validates against a schema and refuses.
  if (body.children.length > 1) throw faultError('schemaValidation');
  return { headers: headers[0]?.children ?? [], content: body.children[0] };
}

/** SOAP's own attribute only: pywinrm and Ruby send one without a namespace, which means nothing (spec: section 4.1). */
export function mustUnderstand(header: XmlElement): boolean {
  const value = attribute(header, namespaces.s, 'mustUnderstand')?.trim();
  return value === 'true' || value === '1';
}

/** False for header blocks addressed to another SOAP node (SOAP 1.2 part 1, section 2.2). */
export function isForUs(header: XmlElement): boolean {
  const role = attribute(header, namespaces.s, 'role')?.trim() ?? '';
  return role === '' || role.endsWith('/role/next') || role.endsWith('/role/ultimateReceiver');
}

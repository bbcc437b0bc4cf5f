import { type CimClass, type CimSchema, normaliseNamespace } from '@carmine/cim';
import { faultError } from '../protocol/faults.ts';
import { parseResourceUri, type ResourceUri } from '../protocol/resource-uri.ts';
import { readSelectors, type Selectors } from '../protocol/selectors.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { Target } from './types.ts';

/**
 * Finds what a request is addressed to (spec: sections 5.1 and 5.4). Faults: InvalidResourceURI 2150858811 for a URI of
 * no known family (shells among them), 2150858752 for an unknown namespace or class, 2150859067 when URI and
 * `__cimnamespace` disagree.
 */
export function findTarget(
  headers: Pick<RequestHeaders, 'resourceUri' | 'selectorSet'>,
  schema: CimSchema,
  defaultNamespace: string,
): Target {
  const uri = headers.resourceUri === undefined ? undefined : parseResourceUri(headers.resourceUri);
  if (uri === undefined) throw faultError('invalidResourceUri');
  const selectors = readSelectors(headers.selectorSet);
  const named = selectors.namespace;
  if (uri.namespace !== undefined && named !== undefined && !sameNamespace(uri.namespace, named))
    throw faultError('namespaceConflict');
  // UNSPECIFIED: a DMTF URI without a namespace means the default one here; Windows would look in root\hardware.
  const namespace = uri.namespace ?? named ?? defaultNamespace;
  if (!schema.hasNamespace(namespace))
    throw faultError('resourceNotFound', { hresult: invalidNamespace, text: 'There is no such namespace.' });
  if (uri.form === 'cimxml') return findSchemaTarget(uri, namespace, selectors, schema);
  if (uri.className === '*') return { uri, namespace, cls: undefined, selectors };
  const cls = schema.findClass(namespace, uri.className);
  if (cls === undefined)
    throw faultError('resourceNotFound', { hresult: invalidClass, text: 'There is no such class.' });
  return { uri, namespace, cls, selectors };
}

/** A class itself: named by the URI's last part or by the selector `ClassName` (spec: section 8). */
function findSchemaTarget(uri: ResourceUri, namespace: string, selectors: Selectors, schema: CimSchema): Target {
  let className = uri.className === '*' ? undefined : uri.className;
  for (const [name, value] of selectors.keys) {
    if (name.toLowerCase() !== 'classname') throw faultError('unexpectedSelectors', { text: 'Classes have no keys.' });
    if (className !== undefined && className.toLowerCase() !== value.toLowerCase()) throw faultError('selectorValue');
    className = value;
  }
  const cls = className === undefined ? undefined : schema.findClass(namespace, className);
  if (className !== undefined && cls === undefined)
    throw faultError('resourceNotFound', { hresult: invalidClass, text: 'There is no such class.' });
  return { uri, namespace, cls, selectors };
}

/** The class a keyed operation is about; all classes together cannot be read or changed. */
export function targetClass(target: Target): CimClass {
  if (target.cls === undefined) throw faultError('actionMismatch');
  return target.cls;
}

function sameNamespace(a: string, b: string): boolean {
  return normaliseNamespace(a) === normaliseNamespace(b);
}

const invalidNamespace = 0x8004100e;
const invalidClass = 0x80041010;

import { type CimInstance, findByName, type ObjectPath } from '@carmine/cim';
import { decodeElements } from '../protocol/decode-cim.ts';
import { encodeInstance } from '../protocol/encode-cim.ts';
import { faultError } from '../protocol/faults.ts';
import { actions } from '../protocol/names.ts';
import { parseResourceUri } from '../protocol/resource-uri.ts';
import { formatKey, readKeys } from '../protocol/selectors.ts';
import { place } from './place.ts';
import { targetClass } from './target.ts';
import type { Call, Operation } from './types.ts';

/** DSP0226 section 7.3. */
export const get: Operation = async (call) => {
  const instance = await call.session.getInstance(readPath(call), call);
  return { action: `${actions.get}Response`, body: encodeInstance(call.encoding, instance) };
};

/**
 * DSP0226 section 7.4. UNSPECIFIED: what a property means that is not in the body; here it keeps its value, as with
 * WMI. Read-only properties in the body are ignored (R7.4-3), other keys than the selectors' are refused.
 */
export const put: Operation = async (call) => {
  const cls = targetClass(call.target);
  const path = readPath(call);
  if (!cls.properties.some((property) => property.writable)) throw faultError('actionMismatch');
  const root = call.content;
  if (root === undefined) throw faultError('invalidRepresentation');
  if (root.local.toLowerCase() !== cls.name.toLowerCase()) throw faultError('invalidRepresentation');
  if (!namesClass(root.uri, cls.name)) throw faultError('representationNamespace');
  const changes = place('representation', () => {
    const decoding = { schema: call.encoding.schema, namespace: cls.namespace };
    // cim:Location is an EPR to the instance itself; clients send it back (spec: section 6.1).
    const nodes = root.children.filter((node) => node.local !== 'Location');
    const writable = cls.properties.filter((property) => property.writable || property.key);
    const given = decodeElements(decoding, writable, nodes, (name) => {
      if (findByName(cls.properties, name) === undefined)
        throw faultError('representationValues', { text: `Class ${cls.name} has no property ${name}.` });
    });
    for (const [name, value] of path.keys) {
      const other = given.get(name);
      if (other !== undefined && formatKey(other).toLowerCase() !== formatKey(value).toLowerCase())
        throw faultError('keysChanged');
      given.delete(name);
    }
    return given;
  });
  let instance: CimInstance;
  if (changes.size === 0) instance = await call.session.getInstance(path, { signal: call.signal });
  else
    instance = await place('representation', () => call.session.modifyInstance(path, changes, { signal: call.signal }));
  return { action: `${actions.put}Response`, body: encodeInstance(call.encoding, instance), changed: changes.size > 0 };
};

/** DSP0226 section 7.5. */
export const remove: Operation = async (call) => {
  await call.session.deleteInstance(readPath(call), { signal: call.signal });
  return { action: `${actions.delete}Response`, body: '', changed: true };
};

/** The instance that the selectors name. Throws the faults of the InvalidSelectors family. */
export function readPath(call: Call): ObjectPath {
  const cls = targetClass(call.target);
  const keys = place('selectors', () => readKeys(cls, call.target.selectors));
  return { namespace: cls.namespace, className: cls.name, keys };
}

/** The body's namespace is the class's resource URI in either form; one that names another class is wrong. */
function namesClass(namespace: string, className: string): boolean {
  const uri = parseResourceUri(namespace);
  return uri === undefined || uri.className.toLowerCase() === className.toLowerCase();
}

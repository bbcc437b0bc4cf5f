import {
  type CimClass,
  type CimMethod,
  findByName,
  inParameters,
  outParameters,
  returnValueElement,
} from '@carmine/cim';
import { decodeElements } from '../protocol/decode-cim.ts';
import { encodeParameters } from '../protocol/encode-cim.ts';
import { faultError } from '../protocol/faults.ts';
import { parseResourceUri } from '../protocol/resource-uri.ts';
import { place } from './place.ts';
import { readPath } from './transfer.ts';
import type { Call, Reply } from './types.ts';

/**
 * A custom action is `<ResourceURI>/<Method>` ([MS-WSMV] 3.1.4.1.32). The part before the method may be either form of
 * the class's URI, whatever the ResourceURI header uses. Undefined when the action is of no such shape.
 */
export function methodOf(action: string, cls: CimClass): CimMethod | undefined {
  const slash = action.lastIndexOf('/');
  const uri = parseResourceUri(action.slice(0, Math.max(0, slash)));
  if (uri === undefined || uri.className.toLowerCase() !== cls.name.toLowerCase()) return undefined;
  const name = action.slice(slash + 1);
  const method = findByName(cls.methods, name);
  if (method === undefined)
    throw faultError('actionNotSupported', {
      hresult: invalidMethod,
      text: `Class ${cls.name} has no method of that name.`,
      details: [['a:Action', action]],
    });
  return method;
}

/**
 * Executes a method (spec: sections 6.6 and 7.10). A method that ran and failed is not a fault: its HRESULT is the
 * ReturnValue.
 */
export async function invoke(call: Call, cls: CimClass, method: CimMethod): Promise<Reply> {
  // UNSPECIFIED: keys on a static method; accepted and ignored, since WMI executes it.
  const path = method.isStatic ? { namespace: cls.namespace, className: cls.name, keys: new Map() } : readPath(call);
  const parameters = inParameters(method);
  const given = place('parameters', () => {
    // Some clients leave the body empty when there are no parameters.
    const nodes = call.content?.children ?? [];
    const values = decodeElements(
      { schema: call.encoding.schema, namespace: cls.namespace },
      parameters,
      nodes,
      (name) => {
        throw faultError('parameterName', { text: `Method ${method.name} has no parameter ${name}.` });
      },
    );
    for (const { name, optional } of parameters)
      if (!optional && !values.has(name))
        throw faultError('parameterName', {
          hresult: invalidMethodParameters,
          text: `Method ${method.name} needs the parameter ${name}.`,
        });
    return values;
  });
  const result = await place('parameters', () =>
    call.session.invokeMethod(path, method.name, given, { signal: call.signal }),
  );
  const values = outParameters(method).map((element) => [element, result.out.get(element.name) ?? null] as const);
  const body = encodeParameters(call.encoding, cls, `${method.name}_OUTPUT`, [
    ...values,
    [returnValueElement, result.returnValue],
  ]);
  return { action: `${call.headers.action}Response`, body, changed: true };
}

const invalidMethod = 0x8004102e;
const invalidMethodParameters = 0x8004102f;

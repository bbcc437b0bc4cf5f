import { normaliseNamespace } from '@carmine/cim';

/**
 * A resource URI taken apart (spec: section 5.1). `base` is everything before the class name, as the client wrote it,
 * because replies use the client's form.
 */
export interface ResourceUri {
  /** `cimxml`: the class itself, not its instances. */
  readonly form: 'wmi' | 'dmtf' | 'cimxml';
  readonly base: string;
  /** Namespace in the URI, for the WMI form only. */
  readonly namespace: string | undefined;
  /** As written, or `*` for all classes. */
  readonly className: string;
}

/** Undefined when the URI is of no known family; such a URI is not in this service's catalog. */
export function parseResourceUri(text: string): ResourceUri | undefined {
  const uri = text.trim();
  const lower = uri.toLowerCase();
  if (lower.startsWith(wmiPrefix)) {
    const slash = uri.lastIndexOf('/');
    if (slash <= wmiPrefix.length) return undefined;
    const namespace = uri.slice(wmiPrefix.length, slash);
    return withClass({ form: 'wmi', base: uri.slice(0, slash + 1), namespace }, uri.slice(slash + 1));
  }
  // DSP0227's all-classes URI lacks the schema part.
  if (lower === dmtfAllClasses) return { form: 'dmtf', base: dmtfPrefix, namespace: undefined, className: '*' };
  if (lower.startsWith(schemaPrefix))
    return withClass(
      { form: 'cimxml', base: uri.slice(0, schemaPrefix.length), namespace: undefined },
      uri.slice(schemaPrefix.length),
    );
  // Vendors use hosts of their own; only the tail counts.
  const match = /^http:\/\/[^/]+\/wbem\/wscim\/1\/cim-schema\/2\//i.exec(uri);
  if (match === null) return undefined;
  return withClass({ form: 'dmtf', base: match[0], namespace: undefined }, uri.slice(match[0].length));
}

/** The URI of a class, in the form and with the namespace part of `uri`. */
export function classUri(uri: ResourceUri, className: string): string {
  return uri.base + className;
}

/** WMI-form URI of a class of a namespace, as our client sends it; `*` for all classes. */
export function wmiUri(namespace: string, className: string): string {
  return `${wmiPrefix}${normaliseNamespace(namespace).replaceAll('\\', '/')}/${className}`;
}

function withClass(rest: Omit<ResourceUri, 'className'>, className: string): ResourceUri | undefined {
  return className === '*' || /^[A-Za-z_]\w*$/.test(className) ? { ...rest, className } : undefined;
}

const wmiPrefix = 'http://schemas.microsoft.com/wbem/wsman/1/wmi/';
const dmtfPrefix = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/';
const schemaPrefix = 'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/';
const dmtfAllClasses = 'http://schemas.dmtf.org/wbem/wscim/1/*';

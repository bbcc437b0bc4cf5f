import { type CimClass, type CimProperty, type CimType, type CimValue, findByName, parseScalar } from '@carmine/cim';
import { faultError } from '../protocol/faults.ts';
import { dialects, namespaces } from '../protocol/names.ts';
import { attribute, child, children, type XmlElement } from '../xml/element.ts';
import { associationSource } from './association-filter.ts';
import { place } from './place.ts';
import type { Source } from './source.ts';
import { targetClass } from './target.ts';
import type { Call } from './types.ts';

/** Reads n:Filter or w:Filter, which are the same (DSP0226 R8.3-1..3), and the target, into a source. */
export function readSource(call: Call, body: XmlElement): Source {
  const filters = [...children(body, namespaces.n, 'Filter'), ...children(body, namespaces.w, 'Filter')];
  const [filter] = filters;
  if (filters.length > 1) throw faultError('cannotProcessFilter');
  const { target, session } = call;
  if (filter === undefined) {
    if (target.selectors.keys.size > 0) throw faultError('keysOnEnumerate');
    const cls = targetClass(target);
    return {
      projection: false,
      place: 'operation',
      open: (signal) => session.enumerateInstances(cls.namespace, cls.name, { signal }),
    };
  }
  const dialect = attribute(filter, '', 'Dialect')?.trim() ?? dialects.xpath;
  if (target.selectors.keys.size > 0)
    throw faultError(dialect === dialects.wql ? 'wqlNeedsAllClasses' : 'keysOnEnumerate');
  switch (dialect) {
    case dialects.wql:
      return wqlSource(call, filter.text.trim());
    case dialects.selector:
      return selectorSource(call, filter);
    case dialects.association:
      return associationSource(call, filter);
    default:
      throw faultError('dialectUnavailable', {
        details: [
          ['n:SupportedDialect', dialects.wql],
          ['n:SupportedDialect', dialects.selector],
          ['n:SupportedDialect', dialects.association],
        ],
      });
  }
}

/** Lenient as OMI is: the URI may name a class instead of all of them; the query says which one is meant. */
function wqlSource(call: Call, query: string): Source {
  return {
    place: 'filter',
    projection: /^select\s+[^\s*]/i.test(query),
    open: (signal) => call.session.executeQuery(call.target.namespace, query, { signal }),
  };
}

/** DSP0226 annex E with the restrictions of [MS-WSMV] 3.1.4.1.13. */
function selectorSource(call: Call, filter: XmlElement): Source {
  const { cls } = call.target;
  const set = child(filter, namespaces.w, 'SelectorSet');
  if (cls === undefined || set === undefined) throw faultError('cannotProcessFilter');
  const wanted = new Map<string, CimValue>();
  for (const selector of children(set, namespaces.w, 'Selector')) {
    const property = selectableProperty(cls, attribute(selector, '', 'Name')?.trim() ?? '');
    const text = selector.text.trim();
    if (wanted.has(property.name) || /["']/.test(text) || selector.children.length > 0)
      throw faultError('cannotProcessFilter');
    wanted.set(
      property.name,
      place('filter', () => parseScalar(property, text)),
    );
  }
  return {
    projection: false,
    place: 'operation',
    async *open(signal) {
      for await (const instance of call.session.enumerateInstances(cls.namespace, cls.name, { signal }))
        if ([...wanted].every(([name, value]) => isSame(instance.properties.get(name) ?? null, value))) yield instance;
    },
  };
}

function selectableProperty(cls: CimClass, name: string): CimProperty {
  const property = findByName(cls.properties, name);
  if (property === undefined || property.array || unselectable.has(property.type))
    throw faultError('cannotProcessFilter', { text: `Class ${cls.name} has no such property to select by.` });
  return property;
}

/** "Names and values case-insensitive" ([MS-WSMV] 3.1.4.1.2). */
function isSame(a: CimValue, b: CimValue): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a.toLowerCase() === b.toLowerCase();
  return a === b;
}

const unselectable: ReadonlySet<CimType> = new Set(['datetime', 'reference', 'object']);

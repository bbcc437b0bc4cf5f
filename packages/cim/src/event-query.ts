import { CarmineError } from '@carmine/errors';
import { type InstanceEventName, silentEventClasses } from './event-classes.ts';
import type { CimClass, CimInstance, CimValue } from './model.ts';
import { type CimSchema, findByName } from './schema.ts';
import { systemProperty, systemValue } from './system-properties.ts';
import { isInstance } from './values.ts';
import {
  parseEventWql,
  type WqlComparison,
  type WqlEventExpression,
  type WqlOperator,
  type WqlPropertyComparison,
} from './wql.ts';
import { checkComparison, compare, compareValues, orderSatisfies, propertyOf } from './wql-match.ts';

/** An event query made ready for one schema. */
export interface EventQuery {
  /** The classes whose instances are watched; at least one. */
  readonly classes: readonly CimClass[];
  /** Milliseconds that an event may be late. */
  readonly within: number;
  /** The event as the query wants to see it; undefined when it does not want it. */
  select(event: CimInstance): CimInstance | undefined;
}

/**
 * Reads a notification query, [MS-WMI] 2.2.1.1 and WMI documentation, Receiving Event Notifications. Everything that is wrong
 * with it is said here, before anything is watched: `cim/invalid-query`, `cim/invalid-class`, `cim/not-event-class`,
 * `cim/not-supported` (events of classes and namespaces), `cim/within-missing`, `cim/query-too-broad`.
 */
export function prepareEventQuery(schema: CimSchema, namespace: string, text: string): EventQuery {
  if (!schema.hasNamespace(namespace)) throw new CarmineError('cim/invalid-namespace', { context: { namespace } });
  const query = parseEventWql(text);
  const event = eventClass(schema, namespace, query.className);
  for (const name of query.properties ?? []) propertyOf(event, name);
  const leaves = query.where === undefined ? [] : leavesOf(query.where);
  const watched = watchedClasses(schema, namespace, query.where, leaves);
  for (const leaf of leaves) checkLeaf(event, watched, leaf);
  // Windows asks for WITHIN where no provider tells of events by itself; here that is so for every class.
  if (query.within === undefined) throw new CarmineError('cim/within-missing');
  const within = Math.min(Math.max(query.within * 1000, minimumWithin), maximumWithin);
  const wanted = query.properties?.map((name) => propertyOf(event, name).name);
  return {
    classes: watched,
    within,
    select(given) {
      if (event.name !== operationEvent && given.className !== event.name) return undefined;
      if (query.where !== undefined && !holds(query.where, given, schema)) return undefined;
      if (wanted === undefined) return given;
      const properties = new Map([...given.properties].filter(([name]) => wanted.includes(name)));
      return { ...given, properties };
    },
  };
}

function eventClass(schema: CimSchema, namespace: string, name: string): CimClass {
  const cls = schema.findClass(namespace, name);
  const silent = silentEventClasses.find((other) => other.toLowerCase() === name.toLowerCase());
  if (silent !== undefined)
    throw new CarmineError('cim/not-supported', { context: { operation: 'Subscribe', className: silent } });
  if (cls === undefined) throw new CarmineError('cim/invalid-class', { context: { className: name } });
  if (!isEventClass(cls)) throw new CarmineError('cim/not-event-class', { context: { className: cls.name } });
  return cls;
}

/**
 * The classes that satisfy the query for some values of their properties. A query that a class which nobody has heard of could
 * satisfy does not say what it watches.
 */
function watchedClasses(
  schema: CimSchema,
  namespace: string,
  where: WqlEventExpression | undefined,
  leaves: readonly Leaf[],
): readonly CimClass[] {
  if (where === undefined || canHold(where, '') !== false) throw new CarmineError('cim/query-too-broad');
  for (const leaf of leaves) {
    if (leaf.kind !== 'compare' || leaf.operator !== 'isa' || typeof leaf.value !== 'string') continue;
    if (schema.findClass(namespace, leaf.value) === undefined)
      throw new CarmineError('cim/invalid-class', { context: { className: leaf.value } });
  }
  const watched = schema.classesIn(namespace).filter((cls) => canHold(where, cls.name) !== false);
  if (watched.length === 0) throw invalid('no class satisfies it');
  return watched;
}

type Leaf = WqlComparison | WqlPropertyComparison;

/** Whether the expression holds for instances of a class: true or false when the class alone says so. */
function canHold(expression: WqlEventExpression, className: string): boolean | undefined {
  switch (expression.kind) {
    case 'and':
    case 'or': {
      const decisive = expression.kind === 'or';
      const terms = expression.terms.map((term) => canHold(term, className));
      if (terms.includes(decisive)) return decisive;
      return terms.includes(undefined) ? undefined : !decisive;
    }
    case 'not': {
      const term = canHold(expression.term, className);
      return term === undefined ? undefined : !term;
    }
    case 'compare':
      return expression.operator === 'isa'
        ? String(expression.value).toLowerCase() === className.toLowerCase()
        : undefined;
    case 'compareProperties':
      return undefined;
  }
}

function checkLeaf(event: CimClass, watched: readonly CimClass[], leaf: Leaf): void {
  if (leaf.kind === 'compare' && leaf.operator === 'isa') {
    const { object, path } = split(leaf.property);
    if (propertyOf(event, object).type !== 'object' || path !== undefined)
      throw invalid(`${leaf.property} is no instance that ISA could ask about`);
    if (typeof leaf.value !== 'string') throw invalid('ISA needs the name of a class');
    return;
  }
  if (leaf.kind === 'compare') {
    const { cls, name } = resolve(event, watched, leaf.property);
    checkComparison(cls, { ...leaf, property: name });
    return;
  }
  const [left, right] = [resolve(event, watched, leaf.property), resolve(event, watched, leaf.other)];
  if (leaf.operator === 'isa' || leaf.operator === 'like') throw invalid('two properties cannot be compared like that');
  const [a, b] = [comparableKind(left), comparableKind(right)];
  if (a !== b) throw invalid(`${leaf.property} and ${leaf.other} cannot be compared`);
}

interface Resolved {
  readonly cls: CimClass;
  readonly name: string;
}

/** Finds what `TIME_CREATED`, `__CLASS`, `TargetInstance.State` or `TargetInstance.__CLASS` names. */
function resolve(event: CimClass, watched: readonly CimClass[], property: string): Resolved {
  const { object, path } = split(property);
  if (path === undefined) return { cls: event, name: object };
  if (propertyOf(event, object).type !== 'object') throw invalid(`${object} has no properties`);
  const cls = watched.find((candidate) => hasProperty(candidate, path));
  if (cls === undefined) throw invalid(`what is watched has no property ${path}`);
  return { cls, name: path };
}

function comparableKind({ cls, name }: Resolved): string {
  const { type, array } = propertyOf(cls, name);
  if (array || type === 'object') throw invalid(`${name} cannot be compared`);
  if (type === 'boolean') return type;
  return type === 'string' || type === 'datetime' || type === 'reference' ? 'text' : 'number';
}

function holds(expression: WqlEventExpression, event: CimInstance, schema: CimSchema): boolean {
  switch (expression.kind) {
    case 'and':
      return expression.terms.every((term) => holds(term, event, schema));
    case 'or':
      return expression.terms.some((term) => holds(term, event, schema));
    case 'not':
      return !holds(expression.term, event, schema);
    case 'compare': {
      if (expression.operator === 'isa') {
        const value = operandOf(schema, event, expression.property);
        return isInstance(value) && value.className.toLowerCase() === String(expression.value).toLowerCase();
      }
      const { object, path } = split(expression.property);
      const holder = path === undefined ? event : embedded(event, object);
      const cls = holder === undefined ? undefined : schema.findClass(holder.namespace, holder.className);
      // An event without the embedded instance, or with one of a class that has no such property, is not meant.
      if (holder === undefined || cls === undefined) return false;
      const name = path ?? object;
      if (!hasProperty(cls, name)) return false;
      return compare(cls, { ...expression, property: name }, holder);
    }
    case 'compareProperties': {
      const [left, right] = [operandOf(schema, event, expression.property), operandOf(schema, event, expression.other)];
      if (left === null || right === null) {
        if (expression.operator === '=') return left === right;
        return expression.operator === '<>' && left !== right;
      }
      return orderSatisfies(expression.operator as ValueOperator, compareValues(left, right));
    }
  }
}

type ValueOperator = Exclude<WqlOperator, 'isa' | 'like'>;

function operandOf(schema: CimSchema, event: CimInstance, property: string): CimValue {
  const { object, path } = split(property);
  const holder = path === undefined ? event : embedded(event, object);
  if (holder === undefined) return null;
  const name = path ?? object;
  const value = lookUp(holder, name);
  const cls = schema.findClass(holder.namespace, holder.className);
  if (value !== undefined || cls === undefined) return value ?? null;
  return systemValue(cls, holder, systemProperty(name)?.name ?? '');
}

function embedded(event: CimInstance, name: string): CimInstance | undefined {
  const value = lookUp(event, name);
  return value !== undefined && isInstance(value) ? value : undefined;
}

function lookUp(instance: CimInstance, name: string): CimValue | undefined {
  const lower = name.toLowerCase();
  for (const [key, value] of instance.properties) if (key.toLowerCase() === lower) return value;
  return undefined;
}

function hasProperty(cls: CimClass, name: string): boolean {
  return (findByName(cls.properties, name) ?? systemProperty(name)) !== undefined;
}

/** `TargetInstance.State` into its two parts; deeper ones are no property of anything here. */
function split(property: string): { readonly object: string; readonly path: string | undefined } {
  const dot = property.indexOf('.');
  return dot < 0
    ? { object: property, path: undefined }
    : { object: property.slice(0, dot), path: property.slice(dot + 1) };
}

function leavesOf(expression: WqlEventExpression): readonly Leaf[] {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return expression.terms.flatMap(leavesOf);
    case 'not':
      return leavesOf(expression.term);
    default:
      return [expression];
  }
}

function isEventClass({ name }: CimClass): boolean {
  return /^__Instance(Creation|Modification|Deletion|Operation)Event$/.test(name);
}

function invalid(reason: string): CarmineError {
  return new CarmineError('cim/invalid-query', { context: { reason, position: 1 } });
}

const operationEvent: InstanceEventName = '__InstanceOperationEvent';
/** Milliseconds. UNSPECIFIED in WMI, which takes any fraction: below a tenth of a second looking would be all that is done. */
const minimumWithin = 100;
/** A day: timers have a limit, and nobody waits longer. */
const maximumWithin = 86_400_000;

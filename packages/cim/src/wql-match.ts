import { parseXmlDateTime } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import type { CimClass, CimInstance, CimProperty, CimValue } from './model.ts';
import { findByName } from './schema.ts';
import { systemProperty, systemValue } from './system-properties.ts';
import { parseScalar } from './values.ts';
import type { WqlComparison, WqlConstant, WqlExpression, WqlOperator, WqlQuery } from './wql.ts';

/**
 * Throws `cim/invalid-query` when the query names a property that the class has not, or compares one with what it
 * cannot be compared with: before the first instance, not at it.
 */
export function checkQuery(cls: CimClass, query: WqlQuery, text = ''): void {
  for (const name of query.properties ?? []) locate(text, name, () => propertyOf(cls, name));
  if (query.where !== undefined)
    walk(query.where, (comparison) => locate(text, comparison.property, () => checkComparison(cls, comparison)));
}

/** Runs a check; what it finds wrong with `name` is said with the place of that name in the query. */
function locate(text: string, name: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isCarmineError(error, 'cim/invalid-query')) throw error;
    throw new CarmineError('cim/invalid-query', { context: { ...error.context, position: positionOf(text, name) } });
  }
}

/** Of the first time that the name stands outside quotes; from 1. */
function positionOf(text: string, name: string): number {
  const words = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_][\w.]*/gs;
  for (const { 0: word, index } of text.matchAll(words)) if (word === name) return index + 1;
  return 1;
}

/**
 * The single key value that a query asks for (`WHERE Key = value`), so that a provider need not be enumerated;
 * undefined when it asks for anything else.
 */
export function keyEquality(cls: CimClass, query: WqlQuery): ReadonlyMap<string, CimValue> | undefined {
  const keys = cls.properties.filter((property) => property.key);
  const [key] = keys;
  const { where } = query;
  if (keys.length !== 1 || key === undefined || where?.kind !== 'compare' || where.operator !== '=') return undefined;
  if (where.property.toLowerCase() !== key.name.toLowerCase() || typeof where.value !== 'string') return undefined;
  return new Map([[key.name, where.value]]);
}

/** Whether the instance satisfies the WHERE clause. NULL satisfies only IS NULL and its negations (three-valued logic folded to false). */
export function matches(cls: CimClass, expression: WqlExpression | undefined, instance: CimInstance): boolean {
  if (expression === undefined) return true;
  switch (expression.kind) {
    case 'and':
      return expression.terms.every((term) => matches(cls, term, instance));
    case 'or':
      return expression.terms.some((term) => matches(cls, term, instance));
    case 'not':
      return !matches(cls, expression.term, instance);
    case 'compare':
      return compare(cls, expression, instance);
  }
}

/** The instance with the selected properties only, in schema order. */
export function project(cls: CimClass, query: WqlQuery, instance: CimInstance): CimInstance {
  if (query.properties === undefined) return instance;
  const wanted = new Set(query.properties.map((name) => propertyOf(cls, name).name));
  return { ...instance, properties: new Map([...instance.properties].filter(([name]) => wanted.has(name))) };
}

/** Throws `cim/invalid-query` when the class has no such property, or it cannot be compared so. */
export function checkComparison(cls: CimClass, { property: name, operator, value }: WqlComparison): void {
  if (operator === 'isa') return;
  const property = propertyOf(cls, name);
  if (value === null) {
    if (operator !== '=' && operator !== '<>') throw invalid('NULL can be compared with = and <> only');
    return;
  }
  if (property.array || property.type === 'object') throw invalid(`${property.name} cannot be compared`);
  if (operator === 'like' && (property.type !== 'string' || typeof value !== 'string'))
    throw invalid('LIKE compares texts only');
  typedConstant(property, value);
}

/** Whether one comparison holds for an instance. */
export function compare(cls: CimClass, expression: WqlComparison, instance: CimInstance): boolean {
  const { operator, value } = expression;
  if (operator === 'isa') return typeof value === 'string' && value.toLowerCase() === instance.className.toLowerCase();
  const property = propertyOf(cls, expression.property);
  const actual = instance.properties.get(property.name) ?? systemValue(cls, instance, property.name);
  if (value === null || actual === null) {
    if (operator === '=') return value === actual;
    return operator === '<>' && value !== actual;
  }
  if (operator === 'like') return typeof value === 'string' && typeof actual === 'string' && like(value, actual);
  const typed = typedConstant(property, value);
  const [left, right] = property.type === 'datetime' ? [momentOf(actual), momentOf(typed)] : [undefined, undefined];
  if (left !== undefined && right !== undefined) return orderSatisfies(operator, compareValues(left, right));
  return orderSatisfies(operator, compareValues(actual, typed));
}

/** Whether what `compareValues` gave is what the operator asks for. */
export function orderSatisfies(operator: Exclude<WqlOperator, 'isa' | 'like'>, order: number): boolean {
  switch (operator) {
    case '=':
      return order === 0;
    case '<>':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

/** Strings compare case-insensitively, as WMI does; numbers and booleans by value. */
export function compareValues(actual: CimValue, typed: CimValue): number {
  if (typeof actual === 'string' && typeof typed === 'string') {
    const [a, b] = [actual.toLowerCase(), typed.toLowerCase()];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (typeof actual === 'boolean' || typeof typed === 'boolean') return Number(actual) - Number(typed);
  const [a, b] = [actual as number | bigint, typed as number | bigint];
  // Mixed comparison of number and bigint is exact in JavaScript.
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A CIM datetime (DSP0004 section 5.2.4) as microseconds, so that times in different zones compare as what they are; undefined
 * with wildcards in it. WMI's other date formats depend on the locale of the machine and are not read.
 */
function momentOf(value: CimValue): bigint | undefined {
  const match =
    typeof value === 'string' ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-]\d{3})$/.exec(value) : null;
  if (match === null) return undefined;
  const [, year, month, day, hours, minutes, seconds, micros = '', zone] = match;
  const milliseconds = parseXmlDateTime(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
  return milliseconds === undefined ? undefined : BigInt(milliseconds - Number(zone) * 60_000) * 1000n + BigInt(micros);
}

/** The constant as a value that the property's can be compared with; a text is read as the property's type. */
function typedConstant(
  property: CimProperty,
  constant: Exclude<WqlConstant, null>,
): boolean | number | bigint | string {
  const isText = ['string', 'datetime', 'reference'].includes(property.type);
  if (typeof constant !== 'string') {
    if (isText) throw invalid(`${property.name} is not comparable with that constant`);
    return constant;
  }
  if (isText) return constant;
  try {
    return parseScalar(property, constant) as boolean | number | bigint;
  } catch (error) {
    throw invalid(CarmineError.from(error).message);
  }
}

/**
 * LIKE of WQL: `%` any text, `_` any character, `[a-f]` (also written `[a=f]`) and `[^a-f]` sets. Matched without backtracking beyond the
 * last `%`, so that no pattern is slow.
 */
function like(pattern: string, text: string): boolean {
  const parts = likeParts(pattern.toLowerCase());
  const subject = [...text.toLowerCase()];
  let p = 0;
  let s = 0;
  let star = -1;
  let resume = 0;
  while (s < subject.length) {
    const part = parts[p];
    if (part === 'any') {
      star = p++;
      resume = s;
    } else if (part?.(subject[s] ?? '')) {
      p++;
      s++;
    } else if (star >= 0) {
      p = star + 1;
      s = ++resume;
    } else return false;
  }
  while (parts[p] === 'any') p++;
  return p === parts.length;
}

type LikePart = 'any' | ((character: string) => boolean);

function likeParts(pattern: string): LikePart[] {
  const parts: LikePart[] = [];
  const expression = /\[(\^?)([^\]]+)\]|(%)|(_)|([\s\S])/gu;
  for (const [, negated, set, any, one, literal] of pattern.matchAll(expression)) {
    if (any !== undefined) parts.push('any');
    else if (one !== undefined) parts.push(() => true);
    else if (set !== undefined) parts.push((character) => inSet(set, character) !== (negated === '^'));
    else parts.push((character) => character === literal);
  }
  return parts;
}

function inSet(set: string, character: string): boolean {
  const items = [...set];
  for (let i = 0; i < items.length; i++) {
    const low = items[i] ?? '';
    const high = items[i + 2];
    // The documentation prints [a=f] for a range.
    if ((items[i + 1] === '-' || items[i + 1] === '=') && high !== undefined) {
      if (character >= low && character <= high) return true;
      i += 2;
    } else if (character === low) return true;
  }
  return false;
}

function walk(expression: WqlExpression, visit: (comparison: WqlComparison) => void): void {
  if (expression.kind === 'compare') visit(expression);
  else if (expression.kind === 'not') walk(expression.term, visit);
  else for (const term of expression.terms) walk(term, visit);
}

/** A property of the class, or a system property. Throws `cim/invalid-query` when it is neither. */
export function propertyOf(cls: CimClass, name: string): CimProperty {
  const property = findByName(cls.properties, name) ?? systemProperty(name);
  if (property === undefined) throw invalid(`class ${cls.name} has no property ${name}`);
  return property;
}

function invalid(reason: string): CarmineError {
  return new CarmineError('cim/invalid-query', { context: { reason, position: 1 } });
}

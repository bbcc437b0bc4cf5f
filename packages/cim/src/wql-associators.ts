import { CarmineError } from '@carmine/errors';

/**
 * Association queries, [MS-WMI] 2.2.1.1 and WMI documentation, ASSOCIATORS OF Statement, REFERENCES OF Statement:
 *
 *     query     = ( "ASSOCIATORS" | "REFERENCES" ) "OF" "{" path "}" [ "WHERE" 1*condition ]
 *     condition = ( "AssocClass" | "ResultClass" | "ResultRole" | "Role" | "RequiredQualifier" | "RequiredAssocQualifier" )
 *                 "=" name | "ClassDefsOnly" | "SchemaOnly"
 *
 * Conditions follow each other without AND. `AssocClass`, `ResultRole` and `RequiredAssocQualifier` are for ASSOCIATORS only.
 */
export interface WqlAssociatorsQuery {
  readonly kind: 'associators' | 'references';
  /** The object path between the braces. */
  readonly path: string;
  /** About the class that `path` names, not about an instance. */
  readonly schemaOnly: boolean;
  /** Classes that conditions name. */
  readonly classes: readonly string[];
}

/** Undefined when the text is another kind of query. Throws `cim/invalid-query` with the position from 1. */
export function parseAssociators(text: string): WqlAssociatorsQuery | undefined {
  const head = /^\s*(associators|references)\s+of\b\s*/i.exec(text);
  if (head === null) return undefined;
  if (text.length > maximumLength) throw invalid(`longer than ${maximumLength} characters`, maximumLength);
  const kind = head[1]!.toLowerCase() as WqlAssociatorsQuery['kind'];
  const path = matchAt(/\{((?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}\s*/sy, text, head[0].length);
  if (path === undefined) throw invalid('expected an object path in braces', head[0].length);
  let at = path.end;
  const conditions: Condition[] = [];
  if (at < text.length) {
    const where = matchAt(/where\b\s*/iy, text, at);
    if (where === undefined) throw invalid('expected WHERE', at);
    at = where.end;
    do {
      const condition = readCondition(kind, text, at);
      if (conditions.some((other) => other.name === condition.name)) throw invalid('given twice', at);
      conditions.push(condition);
      at = condition.end;
    } while (at < text.length);
  }
  const classes = conditions.flatMap(({ name, value }) => (namesClass.has(name) ? [value] : []));
  const schemaOnly = conditions.some(({ name }) => name === 'schemaonly');
  return { kind, path: path.groups[0]!.trim(), schemaOnly, classes };
}

interface Condition {
  readonly name: string;
  readonly value: string;
  readonly end: number;
}

function readCondition(kind: WqlAssociatorsQuery['kind'], text: string, at: number): Condition {
  const word = matchAt(/([A-Za-z]+)\s*/y, text, at);
  const name = word?.groups[0]?.toLowerCase() ?? '';
  if (
    word === undefined ||
    !(flags.has(name) || named.has(name) || (kind === 'associators' && associatorsOnly.has(name)))
  )
    throw invalid('expected a condition', at);
  if (flags.has(name)) return { name, value: '', end: word.end };
  const value = matchAt(/=\s*(?:"([A-Za-z_]\w*)"|'([A-Za-z_]\w*)'|([A-Za-z_]\w*))\s*/y, text, word.end);
  if (value === undefined) throw invalid('expected = and a name', word.end);
  return { name, value: value.groups.find((group) => group !== undefined) ?? '', end: value.end };
}

function matchAt(pattern: RegExp, text: string, at: number) {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  return { groups: match.slice(1) as (string | undefined)[], end: pattern.lastIndex };
}

function invalid(reason: string, at: number): CarmineError {
  return new CarmineError('cim/invalid-query', { context: { reason, position: at + 1 } });
}

const flags: ReadonlySet<string> = new Set(['classdefsonly', 'schemaonly']);
const named: ReadonlySet<string> = new Set(['resultclass', 'role', 'requiredqualifier']);
const associatorsOnly: ReadonlySet<string> = new Set(['assocclass', 'resultrole', 'requiredassocqualifier']);
const namesClass: ReadonlySet<string> = new Set(['assocclass', 'resultclass']);
const maximumLength = 16_384;

import { CarmineError } from '@carmine/errors';

/**
 * WQL data queries, [MS-WMI] 2.2.1.1, the part that selects instances:
 *
 *     query      = "SELECT" ( "*" | name *( "," name ) ) "FROM" name [ "WHERE" expression ]
 *     expression = and *( "OR" and )           and = not *( "AND" not )
 *     not        = "NOT" not | "(" expression ")" | comparison
 *     comparison = name operator constant | constant operator name | name "IS" [ "NOT" ] "NULL"
 *                | name "ISA" string           operator = "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" | "LIKE"
 *     constant   = string | number | "TRUE" | "FALSE" | "NULL"    number: decimal, with exponent, or 0x…
 *
 * Keywords and names match case-insensitively; strings stand in `'` or `"` with `\` escapes. After LIKE only quotes and `\`
 * itself are escaped ("backslash escapes except in LIKE"; scripts double it all the same). Depth and length are bounded.
 * Errors are `cim/invalid-query` with the position from 1.
 *
 * Event queries have an interval, and may compare a property with another one:
 *
 *     event      = "SELECT" ( "*" | name *( "," name ) ) "FROM" name [ "WITHIN" number ] [ "WHERE" expression ]
 *     comparison =/ name operator name
 */
export interface WqlQuery {
  /** Undefined: all (`*`). */
  readonly properties: readonly string[] | undefined;
  readonly className: string;
  readonly where: WqlExpression | undefined;
}

export type WqlOperator = '=' | '<>' | '<' | '<=' | '>' | '>=' | 'like' | 'isa';
export type WqlConstant = string | bigint | number | boolean | null;
/** A property and a constant. */
export interface WqlComparison {
  readonly kind: 'compare';
  readonly property: string;
  readonly operator: WqlOperator;
  readonly value: WqlConstant;
}
/** Two properties; in event queries only. */
export interface WqlPropertyComparison {
  readonly kind: 'compareProperties';
  readonly property: string;
  readonly operator: WqlOperator;
  readonly other: string;
}
export type WqlExpression<Leaf = WqlComparison> =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly WqlExpression<Leaf>[] }
  | { readonly kind: 'not'; readonly term: WqlExpression<Leaf> }
  | Leaf;
export type WqlEventExpression = WqlExpression<WqlComparison | WqlPropertyComparison>;

export interface WqlEventQuery {
  /** Undefined: all (`*`). */
  readonly properties: readonly string[] | undefined;
  readonly className: string;
  /** Seconds; undefined without WITHIN. */
  readonly within: number | undefined;
  readonly where: WqlEventExpression | undefined;
}

export function parseWql(text: string): WqlQuery {
  return parserOf(text, 'data').query();
}

/** GROUP and HAVING are not supported: what aggregates would have to remember grows with what happens. */
export function parseEventWql(text: string): WqlEventQuery {
  return parserOf(text, 'event').eventQuery();
}

function parserOf(text: string, kind: 'data' | 'event'): Parser {
  if (text.length > maximumLength) throw invalid(`longer than ${maximumLength} characters`, maximumLength);
  return new Parser(tokenise(text), text.length, kind);
}

type Token = {
  readonly kind: 'word' | 'string' | 'number' | 'symbol' | 'end';
  readonly text: string;
  readonly at: number;
  /** Of a string, as a pattern of LIKE. */
  readonly pattern?: string;
};

function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern =
    /\s*(?:([A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([+-]?(?:0[xX][\dA-Fa-f]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))|(<>|!=|<=|>=|[=<>(),*]))/sy;
  let end = 0;
  while (text.slice(end).trim() !== '') {
    pattern.lastIndex = end;
    const match = pattern.exec(text);
    if (match === null) throw invalid('unexpected character', end + (/^\s*/.exec(text.slice(end))?.[0].length ?? 0));
    const [whole, word, string, number, symbol] = match;
    const at = pattern.lastIndex - whole.trimStart().length;
    if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else if (string !== undefined) {
      const raw = string.slice(1, -1);
      const [text, pattern] = [raw.replace(/\\(.)/gs, '$1'), raw.replace(/\\(["'\\])/g, '$1')];
      tokens.push({ kind: 'string', text, pattern, at });
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else tokens.push({ kind: 'symbol', text: symbol ?? '', at });
    end = pattern.lastIndex;
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  readonly #kind: 'data' | 'event';
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], length: number, kind: 'data' | 'event') {
    this.#tokens = tokens;
    this.#end = { kind: 'end', text: '', at: length };
    this.#kind = kind;
  }

  query(): WqlQuery {
    const head = this.#head();
    // Comparisons of two properties are read in event queries only.
    const where = this.#whereClause() as WqlExpression | undefined;
    this.#expectEnd();
    return { ...head, where };
  }

  eventQuery(): WqlEventQuery {
    const head = this.#head();
    const within = this.#takeKeyword('within') ? this.#interval() : undefined;
    const where = this.#whereClause();
    if (this.#isKeyword('group') || this.#isKeyword('having'))
      throw invalid('GROUP and HAVING are not supported', this.#peek().at);
    this.#expectEnd();
    return { ...head, within, where };
  }

  #head(): Pick<WqlQuery, 'properties' | 'className'> {
    this.#keyword('select');
    const properties = this.#symbol('*') ? undefined : this.#names();
    this.#keyword('from');
    return { properties, className: this.#name('a class name') };
  }

  #interval(): number {
    const token = this.#take();
    const seconds = Number(token.text);
    if (token.kind !== 'number' || !Number.isFinite(seconds) || seconds < 0)
      throw invalid('expected a number of seconds', token.at);
    return seconds;
  }

  #whereClause(): WqlEventExpression | undefined {
    return this.#takeKeyword('where') ? this.#or() : undefined;
  }

  #expectEnd(): void {
    if (this.#peek().kind !== 'end') throw invalid('unexpected text after the query', this.#peek().at);
  }

  #names(): string[] {
    const names = [this.#name('a property name or *')];
    while (this.#symbol(',')) names.push(this.#name('a property name'));
    return names;
  }

  #or(): WqlEventExpression {
    if (++this.#depth > maximumDepth) throw invalid('nested too deeply', this.#peek().at);
    const terms = [this.#and()];
    while (this.#takeKeyword('or')) terms.push(this.#and());
    this.#depth--;
    return terms.length === 1 ? terms[0]! : { kind: 'or', terms };
  }

  #and(): WqlEventExpression {
    const terms = [this.#not()];
    while (this.#takeKeyword('and')) terms.push(this.#not());
    return terms.length === 1 ? terms[0]! : { kind: 'and', terms };
  }

  #not(): WqlEventExpression {
    if (this.#takeKeyword('not')) {
      if (++this.#depth > maximumDepth) throw invalid('nested too deeply', this.#peek().at);
      const term = this.#not();
      this.#depth--;
      return { kind: 'not', term };
    }
    if (this.#symbol('(')) {
      const inner = this.#or();
      if (!this.#symbol(')')) throw invalid('expected )', this.#peek().at);
      return inner;
    }
    return this.#comparison();
  }

  #comparison(): WqlEventExpression {
    const first = this.#peek();
    if (first.kind === 'word' && !isConstantWord(first.text)) {
      const property = this.#name('a property name');
      if (this.#takeKeyword('is')) {
        const operator = this.#takeKeyword('not') ? '<>' : '=';
        this.#keyword('null');
        return { kind: 'compare', property, operator, value: null };
      }
      const operator = this.#operator();
      const right = this.#peek();
      if (this.#kind === 'event' && right.kind === 'word' && !isConstantWord(right.text))
        return { kind: 'compareProperties', property, operator, other: this.#name('a property name') };
      if (operator === 'like' && right.pattern !== undefined) {
        this.#next++;
        return { kind: 'compare', property, operator, value: right.pattern };
      }
      return { kind: 'compare', property, operator, value: this.#constant() };
    }
    const value = this.#constant();
    const operator = mirrored[this.#operator()];
    if (operator === undefined) throw invalid('this operator needs the property on its left', this.#peek().at);
    return { kind: 'compare', property: this.#name('a property name'), operator, value };
  }

  #operator(): WqlOperator {
    const token = this.#take();
    const text = token.text.toLowerCase() === '!=' ? '<>' : token.text.toLowerCase();
    if (token.kind === 'string' || !(operators as readonly string[]).includes(text))
      throw invalid('expected an operator', token.at);
    return text as WqlOperator;
  }

  #constant(): WqlConstant {
    const token = this.#take();
    const lower = token.text.toLowerCase();
    if (token.kind === 'string') return token.text;
    if (token.kind === 'number') return numberOf(token.text);
    if (token.kind === 'word' && isConstantWord(lower)) return lower === 'null' ? null : lower === 'true';
    throw invalid('expected a constant', token.at);
  }

  #name(what: string): string {
    const token = this.#take();
    if (token.kind !== 'word') throw invalid(`expected ${what}`, token.at);
    return token.text;
  }

  #keyword(word: string): void {
    if (!this.#takeKeyword(word)) throw invalid(`expected ${word.toUpperCase()}`, this.#peek().at);
  }

  #takeKeyword(word: string): boolean {
    if (!this.#isKeyword(word)) return false;
    this.#next++;
    return true;
  }

  #isKeyword(word: string): boolean {
    const token = this.#peek();
    return token.kind === 'word' && token.text.toLowerCase() === word;
  }

  #symbol(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'symbol' || token.text !== text) return false;
    this.#next++;
    return true;
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? this.#end;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }
}

/** Integers are exact, however large; a sign before 0x is not known to BigInt. */
function numberOf(text: string): bigint | number {
  const digits = text.replace(/^[+-]/, '');
  if (!/^(0x[\da-f]+|\d+)$/i.test(digits)) return Number(text);
  return text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
}

function isConstantWord(text: string): boolean {
  return /^(true|false|null)$/i.test(text);
}

function invalid(reason: string, at: number): CarmineError {
  return new CarmineError('cim/invalid-query', { context: { reason, position: at + 1 } });
}

const operators = ['=', '<>', '<', '<=', '>', '>=', 'like', 'isa'] as const satisfies readonly WqlOperator[];

/** The operator with its sides exchanged. */
const mirrored: Partial<Record<WqlOperator, WqlOperator>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

const maximumLength = 16_384;
const maximumDepth = 64;

import { type ErrorCode, type ErrorDefinition, errorDefinitions } from './codes.ts';
import { formatHresult, hresultEntries, lookUpHresult } from './hresult.ts';

/** What `carmine explain` prints. */
export interface Explanation {
  /** `0x…` for a result code, `domain/what` for one of Carmine's own codes. */
  readonly code: string;
  readonly name: string;
  readonly meaning: string;
  readonly remedy: string;
}

/**
 * Explains a result code (hexadecimal with 0x, unsigned or signed decimal), a symbolic name (BG_E_…), an HTTP status
 * from 100 to 599, or one of Carmine's own codes. Undefined when nothing is known.
 */
export function explain(text: string): Explanation | undefined {
  const trimmed = text.trim();
  const own = Object.hasOwn(errorDefinitions, trimmed) ? errorDefinitions[trimmed as ErrorCode] : undefined;
  if (own !== undefined) return explainOwn(trimmed, own);
  const value = parseValue(trimmed);
  const entry =
    value === undefined
      ? hresultEntries.find((candidate) => candidate.name.toUpperCase() === trimmed.toUpperCase())
      : lookUpHresult(value >= 100 && value <= 599 ? 0x80190000 + value : value);
  if (entry === undefined) return undefined;
  return { code: formatHresult(entry.value), name: entry.name, meaning: entry.meaning, remedy: entry.remedy };
}

function explainOwn(code: string, definition: ErrorDefinition): Explanation {
  const entry = definition.hresult === undefined ? undefined : lookUpHresult(definition.hresult);
  return {
    code,
    name: entry?.name ?? code,
    meaning: definition.text.replace(/\{(\w+)\}/g, '<$1>'),
    remedy: entry?.remedy ?? kindRemedies[definition.kind],
  };
}

function parseValue(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16);
  if (/^-?\d{1,10}$/.test(text)) {
    const value = Number(text);
    return value >= -0x80000000 && value <= 0xffffffff ? value >>> 0 : undefined;
  }
  return undefined;
}

const kindRemedies: Readonly<Record<ErrorDefinition['kind'], string>> = {
  local: 'Correct the call or the configuration that the message names.',
  remote: 'The other side broke the protocol: check what listens there, and its version.',
  refused: 'Use an account that has the right.',
  transient: 'Try again; if it goes on, look at the network and the log of the other side.',
  fatal: 'Mend the cause that the message names, then try again.',
  unsupported: 'The other side cannot do this.',
};

import type { ServiceKeySummary } from '@carmine/auth';

/** The keys of one version of a service principal, as they may be shown. */
export interface ServiceKeys {
  readonly principal: string;
  readonly kvno: number;
  /** Names of encryption types. */
  readonly types: readonly string[];
}

/** One for each version of a principal's keys, in the order of the first of each. */
export function servicesOf(keys: readonly ServiceKeySummary[]): readonly ServiceKeys[] {
  const found = new Map<string, { principal: string; kvno: number; types: string[] }>();
  for (const { principal, kvno, type } of keys) {
    const name = `${kvno} ${principal}`;
    const known = found.get(name);
    if (known === undefined) found.set(name, { principal, kvno, types: [type] });
    else if (!known.types.includes(type)) known.types.push(type);
  }
  return [...found.values()];
}

/** Names come from files that others made: they bring no control characters to a terminal. */
export function formatServiceKeys({ principal, kvno, types }: ServiceKeys): string {
  return `${principal.replace(/\p{Cc}/gu, '?')}  kvno ${kvno}  ${types.join(',')}`;
}

import {
  type CreateJobParameters,
  type CredentialScheme,
  type CredentialTarget,
  credentialSchemes,
  credentialTargets,
  type JobChanges,
  type JobCredentials,
  jobPriorities,
  type ProxySettings,
  serviceAccounts,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredRange } from '@carmine/job-store';
import { checkRanges, type FileRange, parseBypassList, parseProxyList } from '@carmine/transfer';

/** What callers may say (spec/bits.md 4.3). Everything here throws the error that BITS gives, or returns the value to keep. */

export function checkCreate(parameters: CreateJobParameters): void {
  // Uploads need a server that speaks BITS_POST; E_NOTIMPL says so at once.
  if (parameters.type === 'upload') throw new CarmineError('job/uploads-not-supported');
  if (parameters.type !== undefined && parameters.type !== 'download') throw invalid('Type', 'unknown value');
  if (parameters.serviceAccount !== undefined && !serviceAccounts.includes(parameters.serviceAccount)) {
    throw invalid('ServiceAccount', 'unknown value');
  }
  checkTexts(parameters);
  checkUrl(parameters.remoteUrl);
}

/** Returns the changes as they are kept: MinimumRetryDelay "values below 5 are raised to 5". */
export function checkChanges(changes: JobChanges): { readonly [K in keyof JobChanges]: NonNullable<JobChanges[K]> } {
  checkTexts(changes);
  if (changes.priority !== undefined && !jobPriorities.includes(changes.priority)) {
    throw invalid('Priority', 'unknown value');
  }
  for (const name of ['minimumRetryDelay', 'noProgressTimeout'] as const) {
    const value = changes[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) {
      throw invalid(name, 'not an unsigned 32-bit integer');
    }
  }
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof checkChanges
  >;
  return given.minimumRetryDelay === undefined
    ? given
    : { ...given, minimumRetryDelay: Math.max(5, given.minimumRetryDelay) };
}

export function checkUrl(url: string): void {
  const bad = (reason: string) => new CarmineError('job/invalid-url', { context: { reason } });
  if (url.length > 2_200) throw bad('longer than 2,200 characters');
  if (!URL.canParse(url)) throw bad('it cannot be parsed');
  const parsed = new URL(url);
  const scheme = parsed.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https')
    throw new CarmineError('job/unsupported-scheme', { context: { scheme } });
  // DEVIATION: BITS accepts and discourages them. A job's URLs are listed and logged, its credentials never.
  if (parsed.username !== '' || parsed.password !== '') throw bad('credentials belong into SetCredentials');
  if (parsed.pathname.split('/').some((segment) => segment.length > 260)) {
    throw bad('a path segment is longer than 260 characters');
  }
}

/** BG_E_INVALID_RANGE, BG_E_OVERLAPPING_RANGES, BG_E_TOO_MANY_RANGES_IN_FILE (spec/bits.md 4.9); returns the ranges as they are kept. */
export function checkFileRanges(ranges: readonly FileRange[]): readonly StoredRange[] {
  if (ranges.length === 0) throw invalid('RangeCount', 'there are no ranges');
  checkRanges(ranges);
  return ranges.map(({ offset, length }) => (length === undefined ? { offset } : { offset, length }));
}

export function checkCredentials(credentials: JobCredentials): void {
  const { target, scheme, userName, password } = credentials;
  checkCredentialNames(target, scheme);
  if (scheme === 'passport') throw new CarmineError('internal/not-implemented', { context: { what: 'Passport' } });
  const malformed = (reason: string) => new CarmineError('job/invalid-credentials', { context: { reason } });
  if (userName === null) {
    if (password !== null) throw malformed('a password without a user');
    if (scheme !== 'ntlm' && scheme !== 'negotiate') throw malformed('this scheme needs a user and a password');
    return;
  }
  if (userName === '') throw malformed('the user name is empty');
  if (userName.length > 300) throw new CarmineError('job/user-name-too-long', { context: { limit: 300 } });
  if ((password ?? '').length > 65_536) throw new CarmineError('job/password-too-long', { context: { limit: 65_536 } });
}

export function checkCredentialNames(target: CredentialTarget, scheme: CredentialScheme): void {
  if (!credentialTargets.includes(target)) throw new CarmineError('job/invalid-auth-target', { context: { target } });
  if (!credentialSchemes.includes(scheme)) throw new CarmineError('job/invalid-auth-scheme', { context: { scheme } });
}

export function checkProxy(settings: ProxySettings): void {
  const { usage, proxyList, bypassList } = settings;
  switch (usage) {
    case 'preconfig':
    case 'noProxy':
      if ((proxyList ?? '') !== '' || (bypassList ?? '') !== '')
        throw invalid('ProxyList', 'only allowed with override');
      return;
    case 'override': {
      checkLength('ProxyList', proxyList ?? '', longestProxyList);
      checkLength('ProxyBypassList', bypassList ?? '', longestProxyList);
      parseProxyList(proxyList ?? '');
      parseBypassList(bypassList ?? '');
      return;
    }
    case 'autodetect':
      throw new CarmineError('internal/not-implemented', { context: { what: `proxy usage ${usage}` } });
    default:
      throw invalid('ProxyUsage', 'unknown value');
  }
}

/** Characters: BG_E_PROXY_LIST_TOO_LARGE, BG_E_PROXY_BYPASS_LIST_TOO_LARGE. */
const longestProxyList = 32_768;

/** Lower-case; undefined stays undefined, null removes. */
export function checkSha256(value: string | null | undefined): string | null | undefined {
  if (value === null || value === undefined) return value;
  if (!/^[0-9a-f]{64}$/i.test(value)) throw invalid('expectedSha256', 'not 64 hexadecimal digits');
  return value.toLowerCase();
}

export function invalid(name: string, reason: string): CarmineError {
  return new CarmineError('job/invalid-argument', { context: { name, reason } });
}

export function checkLength(name: string, value: string, limit: number): void {
  if (value.length > limit) throw new CarmineError('job/string-too-long', { context: { name, limit } });
}

function checkTexts(texts: {
  readonly displayName?: string | undefined;
  readonly description?: string | undefined;
}): void {
  checkLength('DisplayName', texts.displayName ?? '', 256);
  checkLength('Description', texts.description ?? '', 1_024);
}

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { tls } from './on-demand.ts';

/** What may be wrong with a server's certificate, and what is looked at besides: BG_SSL_*, spec/bits.md 2.10. Default: nothing may. */
export interface TlsPolicy {
  /** SSL_ENABLE_CRL_CHECK: lists of revoked certificates (PEM) are looked at, and without one for an issuer its certificates are refused. */
  readonly checkRevocation?: { readonly lists: readonly string[] } | undefined;
  /** SSL_IGNORE_CERT_CN_INVALID */
  readonly ignoreName?: boolean | undefined;
  /** SSL_IGNORE_CERT_DATE_INVALID */
  readonly ignoreDate?: boolean | undefined;
  /** SSL_IGNORE_UNKNOWN_CA */
  readonly ignoreUnknownAuthority?: boolean | undefined;
  /** SSL_IGNORE_CERT_WRONG_USAGE */
  readonly ignoreUsage?: boolean | undefined;
}

export function ignoresAnything(policy: TlsPolicy | undefined): boolean {
  return (
    policy?.ignoreName === true ||
    policy?.ignoreDate === true ||
    policy?.ignoreUnknownAuthority === true ||
    policy?.ignoreUsage === true
  );
}

/**
 * What is wrong with the certificate of a connection that was made without regard to that; undefined when nothing is that the policy does
 * not ignore. OpenSSL tells only the last of several errors, so that each check is made again here, and its word counts too.
 */
export function refusedCertificate(
  socket: TLSSocket,
  host: string,
  policy: TlsPolicy,
  trusted: () => readonly X509Certificate[],
): Error | undefined {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return failure('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  const chain = chainOf(leaf);
  const said = socket.authorizationError as unknown;
  const code = said instanceof Error ? (said as { code?: string }).code : said;
  if (policy.ignoreUnknownAuthority !== true && !isTrusted(chain, trusted(), policy.ignoreDate === true)) {
    return failure('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  }
  if (policy.ignoreDate !== true && !chain.every(isCurrent)) return failure('CERT_HAS_EXPIRED');
  if (policy.ignoreName !== true) {
    const wrong = tls().checkServerIdentity(host, leaf.toLegacyObject());
    if (wrong !== undefined) return wrong;
  }
  if (policy.ignoreUsage !== true && !isForServers(leaf)) return failure('INVALID_PURPOSE');
  if (typeof code === 'string' && code !== '' && !ignoredCodes(policy).has(code)) return failure(code);
  return undefined;
}

function chainOf(leaf: X509Certificate): readonly X509Certificate[] {
  const chain = [leaf];
  for (let next = leaf.issuerCertificate; next !== undefined && chain.length < longestChain; ) {
    if (next.fingerprint256 === chain.at(-1)?.fingerprint256) break;
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function isTrusted(chain: readonly X509Certificate[], roots: readonly X509Certificate[], anyDate: boolean): boolean {
  for (const [index, certificate] of chain.entries()) {
    const anchor = roots.find(
      (root) => root.fingerprint256 === certificate.fingerprint256 || isIssuedBy(certificate, root),
    );
    if (anchor !== undefined) return anyDate || isCurrent(anchor);
    const issuer = chain[index + 1];
    if (issuer === undefined || !issuer.ca || !isIssuedBy(certificate, issuer)) return false;
  }
  return false;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isCurrent({ validFromDate, validToDate }: X509Certificate): boolean {
  const now = Date.now();
  return validFromDate.getTime() <= now && now <= validToDate.getTime();
}

function isForServers({ keyUsage }: X509Certificate): boolean {
  const usages = keyUsage as readonly string[] | undefined;
  return usages === undefined || usages.includes(serverAuthentication) || usages.includes(anyUsage);
}

function ignoredCodes(policy: TlsPolicy): ReadonlySet<string> {
  const codes: string[] = [];
  if (policy.ignoreDate === true) codes.push('CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID');
  if (policy.ignoreName === true) codes.push('ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH');
  if (policy.ignoreUsage === true) codes.push('INVALID_PURPOSE');
  if (policy.ignoreUnknownAuthority === true) {
    codes.push('DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT');
    codes.push('UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_UNTRUSTED');
  }
  return new Set(codes);
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const longestChain = 10;
const serverAuthentication = '1.3.6.1.5.5.7.3.1';
const anyUsage = '2.5.29.37.0';

import { CarmineError, type ErrorCode, isCarmineError } from '@carmine/errors';

/** What sockets, TLS and HTTP parsers throw, as the errors of the transfer domain (spec/bits.md 5.4). */
export function networkError(thrown: unknown, url: string): CarmineError {
  if (isCarmineError(thrown)) return thrown;
  const { origin, hostname } = new URL(url);
  const name = codeOf(thrown);
  const reason = thrown instanceof Error && thrown.message !== '' ? thrown.message : name;
  const context = { origin, host: hostname, reason };
  const make = (code: ErrorCode) => new CarmineError(code, { context, cause: thrown } as never);
  const known = table[name];
  if (known !== undefined) return make(known);
  if (name.startsWith('HPE_') || (thrown instanceof Error && thrown.name === 'HTTPParserError'))
    return make('transfer/invalid-response');
  if (/^ERR_SSL_.*(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE_CERT)/.test(name)) {
    return make('transfer/client-certificate-needed');
  }
  if (name.startsWith('ERR_SSL') || name.startsWith('ERR_TLS') || name === 'EPROTO') return make('transfer/tls');
  if (name.startsWith('CERT_') || name.includes('_CERT')) return make('transfer/untrusted');
  return make('transfer/connection-lost');
}

function codeOf(thrown: unknown): string {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth++) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  }
  return '';
}

const table: Readonly<Record<string, ErrorCode | undefined>> = {
  ENOTFOUND: 'transfer/name-not-resolved',
  EAI_AGAIN: 'transfer/name-not-resolved',
  ECONNREFUSED: 'transfer/connect',
  EHOSTUNREACH: 'transfer/connect',
  ENETUNREACH: 'transfer/connect',
  EADDRNOTAVAIL: 'transfer/connect',
  EMFILE: 'transfer/connect',
  ENFILE: 'transfer/connect',
  ETIMEDOUT: 'transfer/timed-out',
  UND_ERR_CONNECT_TIMEOUT: 'transfer/timed-out',
  UND_ERR_HEADERS_TIMEOUT: 'transfer/timed-out',
  UND_ERR_BODY_TIMEOUT: 'transfer/timed-out',
  ECONNRESET: 'transfer/connection-lost',
  EPIPE: 'transfer/connection-lost',
  UND_ERR_SOCKET: 'transfer/connection-lost',
  UND_ERR_HEADERS_OVERFLOW: 'transfer/invalid-response',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'transfer/connection-lost',
  CERT_HAS_EXPIRED: 'transfer/certificate-date',
  CERT_NOT_YET_VALID: 'transfer/certificate-date',
  ERR_TLS_CERT_ALTNAME_INVALID: 'transfer/certificate-name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'transfer/untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'transfer/untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'transfer/untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'transfer/untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'transfer/untrusted',
  UNABLE_TO_GET_CRL: 'transfer/untrusted',
  INVALID_CA: 'transfer/untrusted',
  INVALID_PURPOSE: 'transfer/untrusted',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'transfer/client-certificate-needed',
};

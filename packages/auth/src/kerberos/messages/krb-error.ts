import { type DerValueOf, derApplication, derFields, derFixed, derOctets } from '@carmine/wire/der';
import { int32, kerberosString, microseconds } from './basic-types.ts';
import { principalName } from './principal.ts';
import { kerberosTime } from './time.ts';

/** KRB-ERROR, RFC 4120 section 5.9.1. Nothing protects it: it is a hint. */
export const krbError = derApplication(
  30,
  derFields('KRB-ERROR', [
    ['pvno', 0, derFixed('pvno', 5)],
    ['msgType', 1, derFixed('msg-type', 30)],
    ['ctime', 2, kerberosTime, 'optional'],
    ['cusec', 3, microseconds, 'optional'],
    ['stime', 4, kerberosTime],
    ['susec', 5, microseconds],
    ['errorCode', 6, int32],
    ['crealm', 7, kerberosString, 'optional'],
    ['cname', 8, principalName, 'optional'],
    ['realm', 9, kerberosString],
    ['sname', 10, principalName],
    ['eText', 11, kerberosString, 'optional'],
    ['eData', 12, derOctets, 'optional'],
  ]),
);
export type KrbError = DerValueOf<typeof krbError>;

/** RFC 4120 section 7.5.9: those that are acted upon or likely to be seen. */
export const krbErrors = {
  KDC_ERR_NONE: 0,
  KDC_ERR_C_PRINCIPAL_UNKNOWN: 6,
  KDC_ERR_S_PRINCIPAL_UNKNOWN: 7,
  KDC_ERR_NULL_KEY: 9,
  KDC_ERR_NEVER_VALID: 11,
  KDC_ERR_POLICY: 12,
  KDC_ERR_BADOPTION: 13,
  KDC_ERR_ETYPE_NOSUPP: 14,
  KDC_ERR_PADATA_TYPE_NOSUPP: 16,
  KDC_ERR_CLIENT_REVOKED: 18,
  KDC_ERR_SERVICE_REVOKED: 19,
  KDC_ERR_TGT_REVOKED: 20,
  KDC_ERR_KEY_EXPIRED: 23,
  KDC_ERR_PREAUTH_FAILED: 24,
  KDC_ERR_PREAUTH_REQUIRED: 25,
  KDC_ERR_SVC_UNAVAILABLE: 29,
  KRB_AP_ERR_BAD_INTEGRITY: 31,
  KRB_AP_ERR_TKT_EXPIRED: 32,
  KRB_AP_ERR_TKT_NYV: 33,
  KRB_AP_ERR_REPEAT: 34,
  KRB_AP_ERR_NOT_US: 35,
  KRB_AP_ERR_BADMATCH: 36,
  KRB_AP_ERR_SKEW: 37,
  KRB_AP_ERR_MODIFIED: 41,
  KRB_AP_ERR_BADKEYVER: 44,
  KRB_AP_ERR_NOKEY: 45,
  KRB_ERR_RESPONSE_TOO_BIG: 52,
  KRB_ERR_GENERIC: 60,
  KDC_ERR_WRONG_REALM: 68,
} as const;

export function krbErrorName(code: number): string {
  return Object.entries(krbErrors).find(([, value]) => value === code)?.[0] ?? 'an error';
}

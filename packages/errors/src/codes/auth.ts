/** Authentication and authorisation. The texts never say which of user and password was wrong. */
export const authCodes = {
  'auth/required': { kind: 'refused', text: 'authentication is required', hresult: 0x80070005 },
  'auth/failed': { kind: 'refused', text: 'authentication failed', hresult: 0x80070005 },
  'auth/access-denied': { kind: 'refused', text: 'access denied', hresult: 0x80041003 },
  'auth/protocol': { kind: 'remote', text: '{mechanism}: {reason}' },
  'auth/policy': { kind: 'refused', text: '{mechanism}: refused by policy: {reason}', hresult: 0x80070005 },
  'auth/bad-signature': { kind: 'remote', text: 'a protected message has a wrong signature' },
  'auth/no-common-mechanism': {
    kind: 'refused',
    text: 'no authentication mechanism in common with the peer',
    hresult: 0x80070005,
  },
  'auth/throttled': { kind: 'refused', text: 'too many failed attempts, try again later', hresult: 0x80070005 },
  'auth/kdc-refused': { kind: 'refused', text: 'Kerberos: the KDC of {realm} refuses: {name} ({number})' },
  'auth/kdc-unreachable': { kind: 'transient', text: 'Kerberos: no KDC of {realm} answers: {reason}' },
  'auth/no-ticket': { kind: 'refused', text: 'Kerberos: no ticket: {reason}' },
  'security/invalid-sid': { kind: 'remote', text: 'not a SID: {reason}', hresult: 0x80070539 },
  'security/invalid-sddl': {
    kind: 'remote',
    text: 'not an SDDL string: {reason} at character {position}',
    hresult: 0x80070538,
  },
} as const;

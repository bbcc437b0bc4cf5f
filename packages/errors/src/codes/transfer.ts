/** The way of one file. `transient` and `fatal` decide between TRANSIENT_ERROR and ERROR (spec/bits.md 4.4). */
export const transferCodes = {
  'transfer/http-status': { kind: 'fatal', text: 'the server answered with HTTP status {status}' },
  'transfer/http-status-transient': { kind: 'transient', text: 'the server answered with HTTP status {status}' },
  'transfer/connect': { kind: 'transient', text: 'cannot connect to {origin}: {reason}', hresult: 0x80072efd },
  'transfer/name-not-resolved': { kind: 'transient', text: 'the name {host} cannot be resolved', hresult: 0x80072ee7 },
  'transfer/connection-lost': { kind: 'transient', text: 'the connection to {origin} was lost', hresult: 0x80072efe },
  'transfer/timed-out': { kind: 'transient', text: '{origin} did not answer in time', hresult: 0x80072ee2 },
  'transfer/invalid-response': {
    kind: 'transient',
    text: 'the answer of {origin} cannot be used: {reason}',
    hresult: 0x80072f78,
  },
  'transfer/missing-length': { kind: 'fatal', text: 'the server gave no length', hresult: 0x80200011 },
  'transfer/no-ranges': { kind: 'fatal', text: 'the server does not support ranges', hresult: 0x80200013 },
  'transfer/invalid-range': { kind: 'fatal', text: 'the range {range} is no part of the file', hresult: 0x8020002b },
  'transfer/overlapping-ranges': {
    kind: 'fatal',
    text: 'the ranges {range} and {other} overlap',
    hresult: 0x8020002c,
  },
  'transfer/too-many-ranges': { kind: 'fatal', text: 'more than {maximum} ranges of one file', hresult: 0x80200052 },
  'transfer/length-changed': {
    kind: 'fatal',
    text: 'the length of the file changed from {expected} to {actual}',
    hresult: 0x80200073,
  },
  'transfer/source-changed': {
    kind: 'transient',
    text: 'the file on the server changed, starting again',
    hresult: 0x80200073,
  },
  'transfer/source-keeps-changing': {
    kind: 'fatal',
    text: 'the file on the server changed {count} times during its transfer',
    hresult: 0x80200073,
  },
  'transfer/content-encoding': {
    kind: 'fatal',
    text: 'the server encoded the content as {encoding}',
    hresult: 0x8020001b,
  },
  'transfer/digest-mismatch': {
    kind: 'fatal',
    text: 'the file has SHA-256 {actual}, expected {expected}',
    hresult: 0x80200053,
  },
  'transfer/authentication': { kind: 'fatal', text: 'the server refused the credentials', hresult: 0x80190191 },
  'transfer/no-authority': {
    kind: 'transient',
    text: 'nobody can vouch for the credentials just now: {reason}',
    hresult: 0x80090311,
  },
  'transfer/proxy-authentication': { kind: 'fatal', text: 'the proxy refused the credentials', hresult: 0x80190197 },
  'transfer/untrusted': {
    kind: 'fatal',
    text: 'the certificate of {origin} is not trusted: {reason}',
    hresult: 0x80072f0d,
  },
  'transfer/certificate-name': {
    kind: 'fatal',
    text: 'the certificate of {origin} is for another name',
    hresult: 0x80072f06,
  },
  'transfer/certificate-date': {
    kind: 'fatal',
    text: 'the certificate of {origin} is not valid now',
    hresult: 0x80072f05,
  },
  'transfer/tls': { kind: 'transient', text: 'TLS failure with {origin}: {reason}', hresult: 0x80072f7d },
  'transfer/client-certificate-needed': {
    kind: 'fatal',
    text: '{origin} wants a client certificate',
    hresult: 0x80072f0c,
  },
  'transfer/redirect': { kind: 'fatal', text: 'redirect refused: {reason}', hresult: 0x80072f7c },
  'transfer/no-progress': { kind: 'fatal', text: 'no progress for {seconds} s', hresult: 0x80200024 },
  'transfer/journal': { kind: 'local', text: 'the journal cannot be used: {reason}', hresult: 0x8020006c },
} as const;

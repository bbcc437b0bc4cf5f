/** WS-Management, seen from either end. */
export const wsmanCodes = {
  'wsman/fault': { kind: 'fatal', text: 'the server answered with a fault: {reason}' },
  'wsman/http': { kind: 'remote', text: 'the server answered with HTTP status {status}' },
  'wsman/unreachable': { kind: 'transient', text: 'cannot reach {target}: {reason}', hresult: 0x80072efd },
  'wsman/timed-out': { kind: 'transient', text: 'the server did not answer in {milliseconds} ms', hresult: 0x80072ee2 },
  'wsman/untrusted': {
    kind: 'refused',
    text: 'the certificate of {target} is not trusted: {reason}',
    hresult: 0x80072f0d,
  },
  'wsman/malformed': { kind: 'remote', text: 'malformed message: {reason}' },
  'wsman/unexpected': { kind: 'remote', text: 'unexpected message: {reason}' },
} as const;

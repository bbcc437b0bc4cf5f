/** URL groups and the URLs in them. */
export const urlGroupCodes = {
  'url-group/invalid-prefix': { kind: 'fatal', text: 'not a usable URL prefix: {reason}', hresult: 0x80070057 },
  'url-group/not-found': { kind: 'fatal', text: 'there is no URL group {prefix}', hresult: 0x80070490 },
  'url-group/invalid-state': {
    kind: 'fatal',
    text: '{action} is not allowed while the URL group is {state}',
    hresult: 0x8007139f,
  },
  'url-group/http-refused': { kind: 'refused', text: 'this agent serves https only', hresult: 0x80070005 },
  'url-group/port-in-use': { kind: 'fatal', text: 'port {port} cannot be listened on: {reason}', hresult: 0x80072740 },
  'url-group/no-certificate': {
    kind: 'fatal',
    text: 'port {port} has no certificate: set one first',
    hresult: 0x80070490,
  },
  'url-group/certificate-not-found': {
    kind: 'fatal',
    text: 'store {store} has no certificate with that thumbprint and a private key',
    hresult: 0x80092004,
  },
  'url-group/invalid-property': { kind: 'fatal', text: '{name}: {reason}', hresult: 0x80070057 },
  'url-group/invalid-argument': { kind: 'fatal', text: '{name}: {reason}', hresult: 0x80070057 },
  'url/invalid-suffix': { kind: 'fatal', text: 'not a usable URL suffix: {reason}', hresult: 0x80070057 },
  'url/exists': { kind: 'fatal', text: 'the URL {suffix} exists already with another source', hresult: 0x800700b7 },
  'url/not-found': { kind: 'fatal', text: 'there is no URL {suffix}', hresult: 0x80070490 },
  'url/outside-roots': {
    kind: 'refused',
    text: 'the path is outside the folders that may be published',
    hresult: 0x80070005,
  },
} as const;

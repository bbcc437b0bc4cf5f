/** Bytes that do not decode. Codecs raise these; the inbound entry point of each protocol reports them as the peer's fault. */
export const wireCodes = {
  'wire/truncated': { kind: 'remote', text: '{what}: needs {needed} bytes, {available} remain' },
  'wire/invalid': { kind: 'remote', text: '{what}: {reason}' },
  'wire/limit': { kind: 'remote', text: '{what}: {actual} exceeds the limit of {limit}' },
  'wire/trailing': { kind: 'remote', text: '{what}: {count} bytes left over' },
  'wire/unencodable': { kind: 'local', text: '{what}: {reason}' },
} as const;

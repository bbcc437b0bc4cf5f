/** Our own bugs and what the process cannot do. */
export const internalCodes = {
  'internal/unexpected': { kind: 'local', text: 'unexpected failure: {message}', hresult: 0x80004005 },
  'internal/aborted': { kind: 'local', text: 'the operation was aborted', hresult: 0x80041032 },
  'internal/shutting-down': { kind: 'transient', text: 'the agent is shutting down', hresult: 0x80041033 },
  'internal/not-implemented': { kind: 'unsupported', text: '{what} is not implemented', hresult: 0x80004001 },
} as const;

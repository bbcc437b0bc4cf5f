/** Local files. */
export const fileCodes = {
  'file/not-found': { kind: 'fatal', text: 'no such file: {path}', hresult: 0x80070002 },
  'file/path-not-found': { kind: 'fatal', text: 'no such folder: {path}', hresult: 0x80070003 },
  'file/access-denied': { kind: 'fatal', text: 'access to {path} is denied', hresult: 0x80070005 },
  'file/outside-roots': {
    kind: 'refused',
    text: '{path} is outside the folders that jobs may write',
    hresult: 0x80070005,
  },
  'file/invalid-name': { kind: 'fatal', text: 'not a usable path: {reason}', hresult: 0x8007007b },
  'file/not-a-file': { kind: 'fatal', text: '{path} is not a regular file', hresult: 0x80070057 },
  'file/disk-full': { kind: 'transient', text: 'no space left on the volume of {path}', hresult: 0x80070070 },
  'file/busy': { kind: 'transient', text: '{path} is in use', hresult: 0x80070020 },
  'file/io': { kind: 'transient', text: '{path}: {reason}', hresult: 0x8007045d },
} as const;

/** DCE/RPC and DCOM, seen from either end. HRESULTs are those that Windows gives for the same. */
export const rpcCodes = {
  'rpc/malformed': { kind: 'remote', text: 'malformed RPC message: {reason}', hresult: 0x800706c0 },
  'rpc/fault': { kind: 'fatal', text: 'the server answered with RPC fault {status}' },
  'rpc/bind-refused': { kind: 'fatal', text: 'the server refuses the RPC interface: {reason}', hresult: 0x800706b5 },
  'rpc/unreachable': { kind: 'transient', text: 'cannot reach {target}: {reason}', hresult: 0x800706ba },
  'rpc/timed-out': { kind: 'transient', text: 'the server did not answer in {milliseconds} ms', hresult: 0x800705b4 },
  'rpc/disconnected': { kind: 'transient', text: 'the connection to the server was lost', hresult: 0x800706be },
  'dcom/no-interface': { kind: 'fatal', text: 'the object has no interface {iid}', hresult: 0x80004002 },
  'dcom/class-not-registered': { kind: 'fatal', text: 'class {clsid} is not registered', hresult: 0x80040154 },
  'dcom/object-gone': { kind: 'transient', text: 'the object is no longer there', hresult: 0x80010108 },
  'dcom/invalid-objref': { kind: 'remote', text: 'not an object reference: {reason}', hresult: 0x8001011d },
  'dcom/too-many-objects': { kind: 'transient', text: 'there are {limit} objects already', hresult: 0x8007000e },
  'wmi/invalid-object': { kind: 'remote', text: 'not a CIM object: {reason}', hresult: 0x8004100f },
} as const;

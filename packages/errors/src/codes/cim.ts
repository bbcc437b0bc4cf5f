/** CIM calls that cannot be made; HRESULTs are those of WMI (WBEM_E_*). */
export const cimCodes = {
  'cim/failed': { kind: 'fatal', text: 'the provider failed: {reason}', hresult: 0x80041001 },
  'cim/not-found': { kind: 'fatal', text: '{what} was not found', hresult: 0x80041002 },
  'cim/invalid-namespace': { kind: 'fatal', text: 'there is no namespace {namespace}', hresult: 0x8004100e },
  'cim/invalid-class': { kind: 'fatal', text: 'there is no class {className}', hresult: 0x80041010 },
  'cim/invalid-method': { kind: 'fatal', text: 'class {className} has no method {method}', hresult: 0x8004102e },
  'cim/invalid-method-parameters': { kind: 'fatal', text: '{method}: {reason}', hresult: 0x8004102f },
  'cim/invalid-parameter': { kind: 'fatal', text: '{name}: {reason}', hresult: 0x80041008 },
  'cim/type-mismatch': { kind: 'fatal', text: '{name}: {reason}', hresult: 0x80041005 },
  'cim/invalid-object-path': { kind: 'fatal', text: 'not an object path: {reason}', hresult: 0x8004103a },
  'cim/missing-keys': { kind: 'fatal', text: 'class {className} needs the key {key}', hresult: 0x8004103a },
  'cim/unexpected-keys': { kind: 'fatal', text: 'class {className} has no key {key}', hresult: 0x8004103a },
  'cim/invalid-query': { kind: 'fatal', text: 'WQL: {reason} at character {position}', hresult: 0x80041017 },
  'cim/invalid-query-type': { kind: 'fatal', text: 'query language {language} is not known', hresult: 0x80041018 },
  'cim/not-supported': {
    kind: 'unsupported',
    text: '{operation} is not supported by class {className}',
    hresult: 0x8004100c,
  },
  'cim/read-only': { kind: 'fatal', text: 'property {name} is read-only', hresult: 0x80041023 },
  'cim/not-event-class': {
    kind: 'fatal',
    text: 'events are queried from the __Instance…Event classes, not from {className}',
    hresult: 0x80041059,
  },
  'cim/query-too-broad': {
    kind: 'fatal',
    text: "the event query must say which class it watches, as in TargetInstance ISA 'BitsClientJob'",
    hresult: 0x80042001,
  },
  'cim/within-missing': {
    kind: 'fatal',
    text: 'the event query needs WITHIN and a number of seconds',
    hresult: 0x80042002,
  },
  'cim/queue-overflow': {
    kind: 'fatal',
    text: 'more than {limit} events were waiting to be fetched: the subscription has ended',
    hresult: 0x80041061,
  },
  'cim/too-many-subscriptions': {
    kind: 'transient',
    text: 'there are {limit} event subscriptions already',
    hresult: 0x8004106c,
  },
  'cim/key-changed': { kind: 'fatal', text: 'key property {name} cannot be changed', hresult: 0x80041023 },
} as const;

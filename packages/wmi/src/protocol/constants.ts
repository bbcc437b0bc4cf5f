/** Status codes of [MS-WMI] 2.2.11 that are used here. */
export const wbem = {
  ok: 0,
  false: 1,
  timedOut: 0x0004_0004,
  failed: 0x8004_1001,
  notFound: 0x8004_1002,
  accessDenied: 0x8004_1003,
  invalidParameter: 0x8004_1008,
  notSupported: 0x8004_100c,
  invalidNamespace: 0x8004_100e,
  invalidObject: 0x8004_100f,
  invalidClass: 0x8004_1010,
  invalidOperation: 0x8004_1016,
  invalidQuery: 0x8004_1017,
  invalidQueryType: 0x8004_1018,
  providerNotCapable: 0x8004_1024,
  callCancelled: 0x8004_1032,
  quotaViolation: 0x8004_106c,
  encryptedConnectionRequired: 0x8004_1087,
  notImplemented: 0x8000_4001,
  noInterface: 0x8000_4002,
} as const;

/** Flags of IWbemServices, [MS-WMI] 2.2.5 to 2.2.9. */
export const wbemFlags = {
  returnImmediately: 0x10,
  forwardOnly: 0x20,
  sendStatus: 0x80,
  useAmendedQualifiers: 0x2_0000,
  createOnly: 0x2,
  shallow: 0x1,
} as const;

/** Of lTimeout: wait for ever. */
export const infinite = 0xffff_ffff;

/** Status of IWbemObjectSink::SetStatus, [MS-WMI] 2.2.10: the operation is over. */
export const statusComplete = 0;

/** WbemLevel1Login. */
export const clsidLevel1Login = '8bc3f05e-d86b-11d0-a075-00c04fb68820';
/** Objects and contexts by value, in OBJREF_CUSTOM. */
export const iidClassObject = 'dc12a681-737f-11cf-884d-00aa004b2e24';
export const clsidClassObject = '4590f812-1d3a-11d0-891f-00aa004b2e24';

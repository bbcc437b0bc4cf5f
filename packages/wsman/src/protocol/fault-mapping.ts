import { CarmineError, type ErrorCode, errorFromHresult } from '@carmine/errors';
import { carriedFault, type Fault, type FaultName } from './faults.ts';

/** Where a failure happened: the same error is another fault in a selector than in a parameter. */
export type FaultPlace = 'selectors' | 'representation' | 'parameters' | 'filter' | 'subscription' | 'operation';

/** The fault that tells a peer of an error; anything unknown becomes w:InternalError with the error's HRESULT. */
export function faultFromError(thrown: unknown, place: FaultPlace): Fault {
  const carried = carriedFault(thrown);
  if (carried !== undefined) return carried;
  const error = CarmineError.from(thrown);
  const name = byPlace[place][error.code] ?? byCode[error.code];
  if (name === 'accessDenied' || name === 'timedOut') return { name };
  const hresult = error.hresult ?? generalFailure;
  if (name !== undefined) return { name, hresult, text: publicText(error) };
  return { name: 'internalError', code: hresult, hresult, text: publicText(error) };
}

/**
 * The error for a fault that a peer sent, so that a caller cannot tell it from one that happened in this process:
 * first what the fault itself says, then the provider's HRESULT, then the kind of fault.
 */
export function errorFromFault(fault: Fault, milliseconds: number): CarmineError {
  const text = fault.text ?? '';
  if (fault.name === 'timedOut')
    // `fault` tells it from a time-out of our own: the server is there, and on a Pull may be asked again.
    return new CarmineError('wsman/timed-out', { context: { milliseconds, fault: true } });
  const specific = toCode[fault.name];
  if (specific !== undefined) return new CarmineError(specific, { message: text });
  if (fault.hresult === notFound) return new CarmineError('cim/not-found', { message: text });
  if (fault.hresult !== undefined) {
    const { code, hresult } = errorFromHresult(fault.hresult, text);
    return new CarmineError(code, { message: text, ...(hresult === undefined ? {} : { hresult }) });
  }
  const general = generalCode[fault.name];
  if (general !== undefined) return new CarmineError(general, { message: text });
  return new CarmineError('wsman/fault', {
    context: { reason: text, fault },
    ...(fault.code === undefined ? {} : { hresult: fault.code }),
  });
}

/** Messages to peers never hold paths or internals: only texts of the management vocabulary go out. */
function publicText(error: CarmineError): string | undefined {
  if (error.code === 'cim/failed') return undefined;
  return /^(cim|auth|job|url-group)\//.test(error.code) ? error.message : undefined;
}

type CodeTable = Partial<Record<ErrorCode, FaultName>>;

const byCode: CodeTable = {
  'cim/not-found': 'resourceNotFound',
  'cim/invalid-namespace': 'resourceNotFound',
  'cim/invalid-class': 'resourceNotFound',
  'cim/invalid-method': 'actionNotSupported',
  'cim/invalid-method-parameters': 'parameterName',
  'cim/invalid-parameter': 'invalidParameter',
  'cim/type-mismatch': 'parameterTypeMismatch',
  'cim/invalid-object-path': 'invalidSelectors',
  'cim/missing-keys': 'insufficientSelectors',
  'cim/unexpected-keys': 'unexpectedSelectors',
  'cim/invalid-query': 'cannotProcessFilter',
  'cim/invalid-query-type': 'dialectUnavailable',
  'cim/not-supported': 'actionMismatch',
  'cim/read-only': 'representationValues',
  'cim/key-changed': 'keysChanged',
  'cim/too-many-subscriptions': 'quotaLimit',
  'cim/queue-overflow': 'eventSourceUnable',
  'auth/access-denied': 'accessDenied',
  'auth/required': 'accessDenied',
  'auth/failed': 'accessDenied',
  'auth/policy': 'accessDenied',
  'internal/aborted': 'timedOut',
  'internal/shutting-down': 'endpointUnavailable',
};

const byPlace: Record<FaultPlace, CodeTable> = {
  selectors: { 'cim/type-mismatch': 'selectorTypeMismatch', 'cim/invalid-parameter': 'selectorValue' },
  representation: {
    'cim/type-mismatch': 'representationValues',
    'cim/invalid-parameter': 'representationValues',
    // What an engine says of a value that the schema allows.
    'job/invalid-argument': 'representationValues',
    'job/string-too-long': 'representationValues',
  },
  parameters: {},
  // "The code clients meet for any bad WQL, class or namespace inside a query".
  filter: {
    'cim/invalid-class': 'cannotProcessFilter',
    'cim/invalid-namespace': 'cannotProcessFilter',
    'cim/type-mismatch': 'cannotProcessFilter',
    'cim/not-supported': 'cannotProcessFilter',
    'cim/invalid-object-path': 'cannotProcessFilter',
    'cim/missing-keys': 'cannotProcessFilter',
    'cim/unexpected-keys': 'cannotProcessFilter',
  },
  subscription: {
    'cim/invalid-query': 'cannotProcessEventFilter',
    'cim/invalid-class': 'cannotProcessEventFilter',
    'cim/type-mismatch': 'cannotProcessEventFilter',
    'cim/not-supported': 'cannotProcessEventFilter',
    'cim/not-event-class': 'cannotProcessEventFilter',
    'cim/query-too-broad': 'cannotProcessEventFilter',
    'cim/within-missing': 'cannotProcessEventFilter',
  },
  operation: {},
};

/** Faults that say more than the HRESULT beside them. */
const toCode: Partial<Record<FaultName, ErrorCode>> = {
  accessDenied: 'auth/access-denied',
  insufficientSelectors: 'cim/missing-keys',
  keysRequired: 'cim/missing-keys',
  unexpectedSelectors: 'cim/unexpected-keys',
  duplicateSelectors: 'cim/invalid-object-path',
  selectorTypeMismatch: 'cim/type-mismatch',
  parameterTypeMismatch: 'cim/type-mismatch',
  keysChanged: 'cim/key-changed',
  dialectUnavailable: 'cim/invalid-query-type',
};

/** What a fault without an HRESULT means. */
const generalCode: Partial<Record<FaultName, ErrorCode>> = {
  actionNotSupported: 'cim/not-supported',
  actionMismatch: 'cim/not-supported',
  resourceNotFound: 'cim/not-found',
  invalidResourceUri: 'cim/invalid-class',
  cannotProcessFilter: 'cim/invalid-query',
  cannotProcessEventFilter: 'cim/invalid-query',
  deliveryModeUnavailable: 'cim/not-supported',
  wqlNeedsAllClasses: 'cim/invalid-query',
  invalidParameter: 'cim/invalid-parameter',
  parameterName: 'cim/invalid-method-parameters',
  invalidRepresentation: 'cim/invalid-parameter',
  representationValues: 'cim/type-mismatch',
  invalidSelectors: 'cim/invalid-object-path',
  selectorValue: 'cim/invalid-object-path',
  internalError: 'cim/failed',
};

const generalFailure = 0x80041001;
const notFound = 0x80041002;

import { CarmineError, isCarmineError } from '@carmine/errors';
import type { QName } from '../xml/element.ts';

/** One row of the table below. `code` is the WSManFault's, an unsigned 32-bit value. */
export interface FaultDefinition {
  /** s:Sender, s:Receiver, or one of SOAP's own codes, which have no subcode. */
  readonly value: 's:Sender' | 's:Receiver' | 's:VersionMismatch' | 's:MustUnderstand';
  /** With the prefix that Windows uses, because scripts compare the text. */
  readonly subcode?: string;
  /** Last part of the faultDetail URI. */
  readonly detail?: string;
  readonly code: number;
  readonly text: string;
}

/** A fault as it is sent or was received. */
export interface Fault {
  readonly name: FaultName;
  /** Instead of the table's text. */
  readonly text?: string | undefined;
  /** Instead of the table's code: plain Win32 and HRESULT values are legal. */
  readonly code?: number | undefined;
  /** HRESULT of the provider, carried in a ProviderFault inside the WSManFault. */
  readonly hresult?: number | undefined;
  /** Header blocks that were not understood. */
  readonly notUnderstood?: readonly QName[] | undefined;
  /** Further children of s:Detail: qualified name and text. */
  readonly details?: readonly (readonly [name: string, text: string])[] | undefined;
}

const sender = 's:Sender';
const receiver = 's:Receiver';

/** DSP0226 Tables 2-40, with the codes of wsmerror.h. */
export const faultTable = {
  versionMismatch: { value: 's:VersionMismatch', code: 2150858765, text: 'The message is not a SOAP 1.2 envelope.' },
  mustUnderstand: {
    value: 's:MustUnderstand',
    code: 2150858768,
    text: 'The service does not understand a header that must be understood.',
  },
  accessDenied: { value: sender, subcode: 'w:AccessDenied', code: 5, text: 'Access is denied.' },
  actionNotSupported: {
    value: sender,
    subcode: 'a:ActionNotSupported',
    code: 2150858771,
    text: 'The service does not support the action.',
  },
  actionMismatch: {
    value: sender,
    subcode: 'a:ActionNotSupported',
    detail: 'ActionMismatch',
    code: 2150858801,
    text: 'The resource does not support the action.',
  },
  malformedAction: {
    value: sender,
    subcode: 'a:ActionNotSupported',
    code: 2150858753,
    text: 'The action URI is malformed.',
  },
  alreadyExists: { value: sender, subcode: 'w:AlreadyExists', code: 2150858803, text: 'The resource exists already.' },
  cannotProcessFilter: {
    value: sender,
    subcode: 'n:CannotProcessFilter',
    code: 2150858778,
    text: 'The service cannot process the filter.',
  },
  wqlNeedsAllClasses: {
    value: sender,
    subcode: 'n:CannotProcessFilter',
    code: 2150859003,
    text: 'A WQL filter needs a resource URI without keys.',
  },
  fragmentPath: {
    value: sender,
    subcode: 'w:CannotProcessFilter',
    code: 2150858899,
    text: 'The service cannot process the fragment path.',
  },
  fragmentDialect: {
    value: sender,
    subcode: 'w:FragmentDialectNotSupported',
    code: 2150858896,
    text: 'Fragment paths are read as XPath 1.0 only.',
  },
  concurrency: { value: sender, subcode: 'w:Concurrency', code: 2150858802, text: 'The resource is in use.' },
  pullInProgress: {
    value: sender,
    subcode: 'w:Concurrency',
    code: 2150858758,
    text: 'Another Pull on this enumeration is in progress.',
  },
  resourceNotFound: {
    value: sender,
    subcode: 'a:DestinationUnreachable',
    detail: 'InvalidResourceURI',
    code: 2150858752,
    text: 'The class or instance was not found.',
  },
  invalidResourceUri: {
    value: sender,
    subcode: 'a:DestinationUnreachable',
    detail: 'InvalidResourceURI',
    code: 2150858811,
    text: 'The resource URI is missing, malformed or not in the catalog of this service.',
  },
  encodingLimit: {
    value: sender,
    subcode: 'w:EncodingLimit',
    code: 2150858805,
    text: 'The message exceeds a limit of the service.',
  },
  characterSet: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'CharacterSet',
    code: 2150858828,
    text: 'The character set is not supported.',
  },
  minimumEnvelopeLimit: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'MinimumEnvelopeLimit',
    code: 2150858878,
    text: 'MaxEnvelopeSize must be at least 8192.',
  },
  maxEnvelopeSizeExceeded: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'MaxEnvelopeSizeExceeded',
    code: 2150858824,
    text: 'The response is larger than the requested maximum.',
  },
  serviceEnvelopeLimit: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'ServiceEnvelopeLimit',
    code: 2150858825,
    text: 'The response is larger than the maximum of the service.',
  },
  unreportableSuccess: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'UnreportableSuccess',
    code: 2150858829,
    text: 'The operation succeeded, but its response is too large.',
  },
  uriLimitExceeded: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'URILimitExceeded',
    code: 2150858797,
    text: 'A URI is longer than 2048 characters.',
  },
  selectorLimit: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'SelectorLimit',
    code: 2150858826,
    text: 'A selector is too long.',
  },
  optionLimit: {
    value: sender,
    subcode: 'w:EncodingLimit',
    detail: 'OptionLimit',
    code: 2150858827,
    text: 'An option is too long.',
  },
  dialectUnavailable: {
    value: sender,
    subcode: 'n:FilterDialectRequestedUnavailable',
    code: 2150858777,
    text: 'The filter dialect is not supported.',
  },
  cannotProcessEventFilter: {
    value: sender,
    subcode: 'w:CannotProcessFilter',
    code: 2150859042,
    text: 'The service cannot process the filter of the subscription.',
  },
  deliveryModeUnavailable: {
    value: sender,
    subcode: 'e:DeliveryModeRequestedUnavailable',
    code: 2150858782,
    text: 'The delivery mode is not available.',
  },
  eventDialectUnavailable: {
    value: sender,
    subcode: 'e:FilteringRequestedUnavailable',
    code: 2150858786,
    text: 'The filter dialect is not supported.',
  },
  eventFilterRequired: {
    value: sender,
    subcode: 'e:FilteringRequestedUnavailable',
    detail: 'FilteringRequired',
    code: 2150858831,
    text: 'A subscription needs a filter.',
  },
  eventSourceUnable: {
    value: receiver,
    subcode: 'e:EventSourceUnableToProcess',
    code: 2150858787,
    text: 'The subscription has ended: the event source cannot go on with it.',
  },
  invalidExpirationTime: {
    value: sender,
    subcode: 'e:InvalidExpirationTime',
    code: 2150858783,
    text: 'The expiration time is not valid.',
  },
  unsupportedExpirationType: {
    value: sender,
    subcode: 'e:UnsupportedExpirationType',
    code: 2150858784,
    text: 'Only durations are supported as expiration times.',
  },
  unableToRenew: {
    value: sender,
    subcode: 'e:UnableToRenew',
    code: 2150858788,
    text: 'There is no such subscription to renew.',
  },
  invalidEventMessage: {
    value: sender,
    subcode: 'e:InvalidMessage',
    code: 2150858789,
    text: 'The message about a subscription is not valid.',
  },
  notifyToMissing: {
    value: sender,
    subcode: 'e:InvalidMessage',
    code: 2150858912,
    text: 'Delivery needs NotifyTo.',
  },
  notifyToAddress: {
    value: sender,
    subcode: 'e:InvalidMessage',
    code: 2150858913,
    text: 'The Address of NotifyTo is missing or not valid.',
  },
  invalidHeartbeats: {
    value: sender,
    subcode: 'e:InvalidMessage',
    code: 2150858916,
    text: 'The interval of heartbeats is not valid.',
  },
  deliverToUnusable: {
    value: sender,
    subcode: 'w:EventDeliverToUnusable',
    detail: 'CannotComplyWithPolicy',
    code: 2150859102,
    text: 'Events are not delivered to that address.',
  },
  deliveryRefused: {
    value: receiver,
    subcode: 'w:DeliveryRefused',
    code: 2150858804,
    text: 'The receiver refuses the events.',
  },
  bookmarks: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'Bookmarks',
    code: 2150858859,
    text: 'Bookmarks are not supported.',
  },
  formatMismatch: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'FormatMismatch',
    code: 2150858866,
    text: 'The delivery mode has no such parameter.',
  },
  filteringNotSupported: {
    value: sender,
    subcode: 'n:FilteringNotSupported',
    code: 2150858776,
    text: 'The resource does not support filters.',
  },
  endpointUnavailable: {
    value: receiver,
    subcode: 'a:EndpointUnavailable',
    detail: 'ResourceOffline',
    code: 2150858772,
    text: 'The service is being stopped.',
  },
  internalError: {
    value: receiver,
    subcode: 'w:InternalError',
    code: 2150858755,
    text: 'The provider failed.',
  },
  tooManyOperations: {
    value: receiver,
    subcode: 'w:InternalError',
    code: 2150859174,
    text: 'This user has too many operations at once.',
  },
  deliveryRetries: {
    value: receiver,
    subcode: 'w:InternalError',
    code: 2150858857,
    text: 'ConnectionRetry and its Total must both be zero, or neither.',
  },
  invalidEnumerationContext: {
    value: receiver,
    subcode: 'n:InvalidEnumerationContext',
    code: 2150858779,
    text: 'The enumeration context is not valid.',
  },
  invalidEnumerationExpiration: {
    value: sender,
    subcode: 'n:InvalidExpirationTime',
    code: 2150858774,
    text: 'The expiration time of the enumeration is not valid.',
  },
  invalidHeader: {
    value: sender,
    subcode: 'a:InvalidMessageInformationHeader',
    code: 2150858767,
    text: 'A header of the message is not valid.',
  },
  invalidTimeout: {
    value: sender,
    subcode: 'a:InvalidMessageInformationHeader',
    detail: 'InvalidTimeout',
    code: 2150858881,
    text: 'OperationTimeout is not valid.',
  },
  optionNotSupported: {
    value: sender,
    subcode: 'w:InvalidOptions',
    detail: 'NotSupported',
    code: 2150858833,
    text: 'An option is not supported.',
  },
  invalidParameter: {
    value: sender,
    subcode: 'w:InvalidParameter',
    code: 2150858810,
    text: 'A parameter is not valid.',
  },
  parameterTypeMismatch: {
    value: sender,
    subcode: 'w:InvalidParameter',
    detail: 'TypeMismatch',
    code: 2150858836,
    text: 'A parameter has the wrong type.',
  },
  parameterName: {
    value: sender,
    subcode: 'w:InvalidParameter',
    detail: 'InvalidName',
    code: 2150858837,
    text: 'A parameter is missing or unknown.',
  },
  invalidRepresentation: {
    value: sender,
    subcode: 'x:InvalidRepresentation',
    code: 2150858773,
    text: 'The body is not a representation of the resource.',
  },
  representationValues: {
    value: sender,
    subcode: 'x:InvalidRepresentation',
    detail: 'InvalidValues',
    code: 2150858838,
    text: 'A value in the body is not valid.',
  },
  representationNamespace: {
    value: sender,
    subcode: 'x:InvalidRepresentation',
    detail: 'InvalidNamespace',
    code: 2150858840,
    text: 'The body is in the wrong namespace.',
  },
  invalidFragment: {
    value: sender,
    subcode: 'x:InvalidRepresentation',
    detail: 'InvalidFragment',
    code: 2150858841,
    text: 'The body is not a fragment of that kind.',
  },
  keysChanged: {
    value: sender,
    subcode: 'x:InvalidRepresentation',
    detail: 'InvalidValues',
    code: 2150858989,
    text: 'The keys of an instance cannot be changed.',
  },
  invalidSelectors: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    code: 2150858813,
    text: 'The selectors are not valid.',
  },
  insufficientSelectors: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'InsufficientSelectors',
    code: 2150858842,
    text: 'A key is missing in the selectors.',
  },
  keysRequired: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'InsufficientSelectors',
    code: 2150859002,
    text: 'The resource URI has no keys, but the class is not a singleton.',
  },
  unexpectedSelectors: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'UnexpectedSelectors',
    code: 2150858843,
    text: 'A selector is not a key of the class.',
  },
  keysOnEnumerate: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'UnexpectedSelectors',
    code: 2150859016,
    text: 'The resource URI of an Enumerate must not have keys.',
  },
  selectorTypeMismatch: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'TypeMismatch',
    code: 2150858844,
    text: 'A selector has the wrong type.',
  },
  selectorValue: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'InvalidValue',
    code: 2150858845,
    text: 'A selector has a value that is not valid.',
  },
  namespaceConflict: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'InvalidValue',
    code: 2150859067,
    text: 'The resource URI and the __cimnamespace selector name different namespaces.',
  },
  duplicateSelectors: {
    value: sender,
    subcode: 'w:InvalidSelectors',
    detail: 'DuplicateSelectors',
    code: 2150858847,
    text: 'A selector is given twice.',
  },
  polymorphismMode: {
    value: receiver,
    subcode: 'b:PolymorphismModeNotSupported',
    code: 2150859063,
    text: 'The polymorphism mode is not supported.',
  },
  headerRequired: {
    value: sender,
    subcode: 'a:MessageInformationHeaderRequired',
    code: 2150858769,
    text: 'A required header is missing.',
  },
  quotaLimit: { value: sender, subcode: 'w:QuotaLimit', code: 2150858815, text: 'The service is busy.' },
  schemaValidation: {
    value: sender,
    subcode: 'w:SchemaValidationError',
    code: 2150858817,
    text: 'The XML is malformed or does not match the schema.',
  },
  timedOut: { value: receiver, subcode: 'w:TimedOut', code: 2150858793, text: 'The operation has timed out.' },
  addressingMode: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'AddressingMode',
    code: 2150858870,
    text: 'Replies go only to the anonymous address.',
  },
  enumerationMode: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'EnumerationMode',
    code: 2150858886,
    text: 'The enumeration mode is not supported.',
  },
  fragmentLevelAccess: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'FragmentLevelAccess',
    code: 2150858871,
    text: 'Fragments are not supported.',
  },
  locale: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'Locale',
    code: 2150858887,
    text: 'The locale cannot be guaranteed.',
  },
  dataLocale: {
    value: sender,
    subcode: 'w:UnsupportedFeature',
    detail: 'DataLocale',
    code: 2150858818,
    text: 'The data locale cannot be guaranteed.',
  },
} as const satisfies Record<string, FaultDefinition>;

export type FaultName = keyof typeof faultTable;

export function faultDefinition(name: FaultName): FaultDefinition {
  return faultTable[name];
}

/** An error that carries the fault to answer with. */
export function faultError(name: FaultName, fault: Omit<Fault, 'name'> = {}): CarmineError<'wsman/fault'> {
  const reason = fault.text ?? faultTable[name].text;
  return new CarmineError('wsman/fault', { context: { reason, [carried]: { name, ...fault } } });
}

/** The fault that an error carries, if it was made by `faultError`. */
export function carriedFault(error: unknown): Fault | undefined {
  return isCarmineError(error, 'wsman/fault') ? (error.context[carried] as Fault | undefined) : undefined;
}

/** The row for what was read from a fault, the best match first: code, then detail, then subcode alone. */
export function findFault(value: string, subcode: string | undefined, detail: string, code: number | undefined) {
  const candidates = rows.filter(([, row]) => row.value === value && row.subcode === subcode);
  const same = (row: FaultDefinition): boolean => (row.detail ?? '') === detail;
  const found =
    candidates.find(([, row]) => same(row) && row.code === code) ??
    candidates.find(([, row]) => row.code === code) ??
    candidates.find(([, row]) => same(row)) ??
    candidates[0];
  return found?.[0];
}

const rows = Object.entries(faultTable) as readonly (readonly [FaultName, FaultDefinition])[];
const carried = 'fault';

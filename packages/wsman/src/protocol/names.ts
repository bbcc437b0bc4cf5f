/** Namespaces by the prefixes that Windows uses; every response declares the first seven, in this order. */
export const namespaces = {
  s: 'http://www.w3.org/2003/05/soap-envelope',
  a: 'http://schemas.xmlsoap.org/ws/2004/08/addressing',
  x: 'http://schemas.xmlsoap.org/ws/2004/09/transfer',
  e: 'http://schemas.xmlsoap.org/ws/2004/08/eventing',
  n: 'http://schemas.xmlsoap.org/ws/2004/09/enumeration',
  w: 'http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd',
  p: 'http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd',
  b: 'http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd',
  /** [MS-WSMV] 2.2.1 prints `identify`; Windows sends `identity`, as DSP0226 says. */
  wsmid: 'http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd',
  f: 'http://schemas.microsoft.com/wbem/wsman/1/wsmanfault',
  cim: 'http://schemas.dmtf.org/wbem/wscim/1/common',
  xsi: 'http://www.w3.org/2001/XMLSchema-instance',
  xs: 'http://www.w3.org/2001/XMLSchema',
} as const;

/** DSP0226 Table 1. */
export const actions = {
  get: `${namespaces.x}/Get`,
  put: `${namespaces.x}/Put`,
  create: `${namespaces.x}/Create`,
  delete: `${namespaces.x}/Delete`,
  enumerate: `${namespaces.n}/Enumerate`,
  pull: `${namespaces.n}/Pull`,
  release: `${namespaces.n}/Release`,
  enumerationRenew: `${namespaces.n}/Renew`,
  enumerationStatus: `${namespaces.n}/GetStatus`,
  enumerationEnd: `${namespaces.n}/EnumerationEnd`,
  subscribe: `${namespaces.e}/Subscribe`,
  renew: `${namespaces.e}/Renew`,
  status: `${namespaces.e}/GetStatus`,
  unsubscribe: `${namespaces.e}/Unsubscribe`,
} as const;

/** DSP0226 section 10.2.9: values of e:Delivery/@Mode. */
export const deliveryModes = {
  push: `${namespaces.e}/DeliveryModes/Push`,
  pushWithAck: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck',
  events: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Events',
  pull: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull',
} as const;

/** DSP0226 Table 1: what an event source sends, and how it is answered. */
export const deliveryActions = {
  event: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Event',
  events: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Events',
  heartbeat: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat',
  droppedEvents: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/DroppedEvents',
  ack: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack',
  subscriptionEnd: `${namespaces.e}/SubscriptionEnd`,
} as const;

/** DSP0226 R14.2-2: the action of a fault follows from the namespace of its subcode. */
export const faultActions = {
  s: `${namespaces.a}/fault`,
  a: `${namespaces.a}/fault`,
  x: `${namespaces.x}/fault`,
  n: `${namespaces.n}/fault`,
  e: `${namespaces.e}/fault`,
  w: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/fault',
  b: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/fault',
} as const;

export const faultDetailBase = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/';

export const anonymousAddress = 'http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous';

/** Filter languages; XPath is what an absent Dialect means (DSP0226 section 8.3). */
export const dialects = {
  wql: 'http://schemas.microsoft.com/wbem/wsman/1/WQL',
  selector: 'http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter',
  association: 'http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter',
  xpath: 'http://www.w3.org/TR/1999/REC-xpath-19991116',
} as const;

/** DSP0226 annex C.3. */
export const securityProfileBase = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/';

export const protocolVersion = namespaces.w;

/**
 * Internal: for tests, fuzzing and benchmarks. A KDC in memory, a maker of PACs, and the codecs and keys of Kerberos that
 * are no part of the interface.
 */
export { keyUsages } from '../kerberos/crypto/key-usages.ts';
export { profileOf, useKey } from '../kerberos/crypto/profiles.ts';
export { CfxChannel } from '../kerberos/gss/cfx.ts';
export { frameToken, readToken } from '../kerberos/gss/framing.ts';
export { apRep, apReq, authenticator, encApRepPart } from '../kerberos/messages/ap-messages.ts';
export { asRep, encKdcRepPart, tgsRep } from '../kerberos/messages/kdc-messages.ts';
export { encTicketPart, ticket } from '../kerberos/messages/ticket.ts';
export { decodePac, pacTypes } from '../kerberos/pac/pac.ts';
export { decodeNegTokenResp } from '../spnego/tokens.ts';
export { realm, runExchange, sealTicket, start, TestKdc, type TestKdcOptions, testKdc, ticketFor } from './kdc.ts';
export { encodePac, encodeValidationInfo, pacData, type TestPac } from './pac.ts';

/** RFC 4120 section 7.5.1, RFC 4121 section 2, [MS-KILE] 3.1.5.9. */
export const keyUsages = {
  encryptedTimestamp: 1,
  ticket: 2,
  asReply: 3,
  tgsRequestChecksum: 6,
  tgsRequestAuthenticator: 7,
  tgsReplySessionKey: 8,
  tgsReplySubkey: 9,
  requestAuthenticatorChecksum: 10,
  requestAuthenticator: 11,
  reply: 12,
  pacSignature: 17,
  acceptorSeal: 22,
  acceptorSign: 23,
  initiatorSeal: 24,
  initiatorSign: 25,
} as const;

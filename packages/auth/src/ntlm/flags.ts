/** NEGOTIATE flags, [MS-NLMP] 2.2.2.5. */
export const ntlmFlags = {
  unicode: 0x0000_0001,
  oem: 0x0000_0002,
  requestTarget: 0x0000_0004,
  sign: 0x0000_0010,
  seal: 0x0000_0020,
  datagram: 0x0000_0040,
  lmKey: 0x0000_0080,
  ntlm: 0x0000_0200,
  anonymous: 0x0000_0800,
  alwaysSign: 0x0000_8000,
  targetTypeServer: 0x0002_0000,
  extendedSessionSecurity: 0x0008_0000,
  identify: 0x0010_0000,
  targetInfo: 0x0080_0000,
  version: 0x0200_0000,
  key128: 0x2000_0000,
  keyExchange: 0x4000_0000,
  key56: 0x8000_0000,
} as const;

export function hasFlag(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

/** Several flags as one unsigned 32-bit number. */
export function combineFlags(...flags: readonly number[]): number {
  return flags.reduce((all, flag) => (all | flag) >>> 0, 0);
}

/** What a side insists on, by name. */
export type FlagRequirements = readonly (readonly [name: string, flag: number])[];

/** The first thing in `required` that `flags` lacks; undefined when all is there. */
export function missingRequirement(flags: number, required: FlagRequirements): string | undefined {
  return required.find(([, flag]) => !hasFlag(flags, flag))?.[0];
}

/**
 * What NEGOTIATE must offer. Unicode and NTLM itself are not among it: requests_ntlm and curl do not say them, and speak
 * both when the challenge does.
 */
export const offerRequirements = {
  /** Without these, keys are short, shared between directions or fixed by the password. */
  protection: [
    ['extended session security', ntlmFlags.extendedSessionSecurity],
    ['128-bit keys', ntlmFlags.key128],
    ['key exchange', ntlmFlags.keyExchange],
  ],
  /** Where no message will be protected, keys do not matter. */
  authenticationOnly: [['extended session security', ntlmFlags.extendedSessionSecurity]],
} as const satisfies Record<string, FlagRequirements>;

/** Without Unicode, names are in a code page that nobody states. */
export const unicodeRequirement = ['Unicode', ntlmFlags.unicode] as const;

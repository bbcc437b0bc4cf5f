/** Identifier octets, X.690 8.1.2: class in bits 8-7, constructed in bit 6, number in bits 5-1 (31 is not supported). */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  generalString: 0x1b,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[number] EXPLICIT` or a constructed implicit tag of the context class. */
export function contextTag(number: number): number {
  return 0xa0 | checked(number);
}

/** `[APPLICATION number]`, constructed. */
export function applicationTag(number: number): number {
  return 0x60 | checked(number);
}

function checked(number: number): number {
  if (!Number.isInteger(number) || number < 0 || number > 30) throw new RangeError(`tag number ${number}`);
  return number;
}

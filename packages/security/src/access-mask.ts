/** Bits of ACCESS_MASK, [MS-DTYP] 2.4.3. */
export const accessRights = {
  delete: 0x0001_0000,
  readControl: 0x0002_0000,
  writeDac: 0x0004_0000,
  writeOwner: 0x0008_0000,
  synchronize: 0x0010_0000,
  accessSystemSecurity: 0x0100_0000,
  maximumAllowed: 0x0200_0000,
  genericAll: 0x1000_0000,
  genericExecute: 0x2000_0000,
  genericWrite: 0x4000_0000,
  genericRead: 0x8000_0000,
} as const;

/** FILE_GENERIC_READ, `FR` in SDDL: READ_CONTROL, SYNCHRONIZE, read data, attributes and extended attributes. */
export const fileGenericRead = 0x0012_0089;
/** FILE_GENERIC_WRITE, `FW`. */
export const fileGenericWrite = 0x0012_0116;
/** FILE_GENERIC_EXECUTE, `FX`. */
export const fileGenericExecute = 0x0012_00a0;
/** FILE_ALL_ACCESS, `FA`. */
export const fileAllAccess = 0x001f_01ff;

/** What the four generic rights mean for one kind of object. */
export interface GenericMapping {
  readonly read: number;
  readonly write: number;
  readonly execute: number;
  readonly all: number;
}

export const fileGenericMapping: GenericMapping = {
  read: fileGenericRead,
  write: fileGenericWrite,
  execute: fileGenericExecute,
  all: fileAllAccess,
};

/** Replaces generic rights by what they stand for. */
export function mapGenericRights(mask: number, mapping: GenericMapping): number {
  let mapped = mask & ~genericBits;
  if ((mask & accessRights.genericRead) !== 0) mapped |= mapping.read;
  if ((mask & accessRights.genericWrite) !== 0) mapped |= mapping.write;
  if ((mask & accessRights.genericExecute) !== 0) mapped |= mapping.execute;
  if ((mask & accessRights.genericAll) !== 0) mapped |= mapping.all;
  return mapped >>> 0;
}

const genericBits = 0xf000_0000;

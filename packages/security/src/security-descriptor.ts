import type { Ace } from './ace.ts';

/** An access control list, [MS-DTYP] 2.4.5: order matters. */
export interface Acl {
  /** 2, or 4 when object ACEs are in it. */
  readonly revision: number;
  readonly aces: readonly Ace[];
}

/**
 * SECURITY_DESCRIPTOR, [MS-DTYP] 2.4.6. A list may be absent (`undefined`), there but null (`'null'`), or there, perhaps empty:
 * without a DACL, or with a null one, everybody has access; with an empty one nobody has.
 */
export interface SecurityDescriptor {
  readonly owner: string | undefined;
  readonly group: string | undefined;
  readonly dacl: Acl | 'null' | undefined;
  readonly sacl: Acl | 'null' | undefined;
  /** Control bits other than those that follow from the fields (DACL and SACL present, self-relative). */
  readonly control: number;
  /** Sbz1: resource manager control bits, which mean something when `control` has that bit. */
  readonly resourceManagerControl: number;
}

/** Control, [MS-DTYP] 2.4.6. */
export const controlFlags = {
  ownerDefaulted: 0x0001,
  groupDefaulted: 0x0002,
  daclPresent: 0x0004,
  daclDefaulted: 0x0008,
  saclPresent: 0x0010,
  saclDefaulted: 0x0020,
  daclAutoInheritRequired: 0x0100,
  saclAutoInheritRequired: 0x0200,
  daclAutoInherited: 0x0400,
  saclAutoInherited: 0x0800,
  daclProtected: 0x1000,
  saclProtected: 0x2000,
  resourceManagerControlValid: 0x4000,
  selfRelative: 0x8000,
} as const;

/** Control bits that the fields of a descriptor imply. */
export const impliedControl = controlFlags.daclPresent | controlFlags.saclPresent | controlFlags.selfRelative;

/** What an ACE does; the kinds that grant, deny or record by SID and mask, [MS-DTYP] 2.4.4.1. */
export type AceKind = 'allow' | 'deny' | 'audit' | 'alarm' | 'mandatory-label';

/** ACCESS_ALLOWED_ACE and its kin, [MS-DTYP] 2.4.4.2 and 2.4.4.4 and following. */
export interface BasicAce {
  readonly form: 'basic';
  readonly kind: AceKind;
  /** AceFlags octet, see aceFlags. */
  readonly flags: number;
  readonly mask: number;
  readonly sid: string;
}

/** ACCESS_ALLOWED_OBJECT_ACE and its kin, [MS-DTYP] 2.4.4.3: for one property or kind of child, in a directory. */
export interface ObjectAce {
  readonly form: 'object';
  readonly kind: Exclude<AceKind, 'mandatory-label'>;
  readonly flags: number;
  readonly mask: number;
  /** Lower-case GUID. */
  readonly objectType: string | undefined;
  readonly inheritedObjectType: string | undefined;
  readonly sid: string;
}

/** Any other type (callback, resource attribute, …): kept as it is, and to the access check a refusal. */
export interface UnknownAce {
  readonly form: 'unknown';
  readonly type: number;
  readonly flags: number;
  /** What follows the four octets of ACE_HEADER. */
  readonly data: Uint8Array;
}

export type Ace = BasicAce | ObjectAce | UnknownAce;

/** AceFlags, [MS-DTYP] 2.4.4.1. */
export const aceFlags = {
  objectInherit: 0x01,
  containerInherit: 0x02,
  noPropagateInherit: 0x04,
  inheritOnly: 0x08,
  inherited: 0x10,
  successfulAccess: 0x40,
  failedAccess: 0x80,
} as const;

/** AceType of the basic and of the object form. */
export const aceTypes: readonly { readonly type: number; readonly form: 'basic' | 'object'; readonly kind: AceKind }[] =
  [
    { type: 0x00, form: 'basic', kind: 'allow' },
    { type: 0x01, form: 'basic', kind: 'deny' },
    { type: 0x02, form: 'basic', kind: 'audit' },
    { type: 0x03, form: 'basic', kind: 'alarm' },
    { type: 0x05, form: 'object', kind: 'allow' },
    { type: 0x06, form: 'object', kind: 'deny' },
    { type: 0x07, form: 'object', kind: 'audit' },
    { type: 0x08, form: 'object', kind: 'alarm' },
    { type: 0x11, form: 'basic', kind: 'mandatory-label' },
  ];

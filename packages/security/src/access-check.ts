import { accessRights, fileGenericMapping, type GenericMapping, mapGenericRights } from './access-mask.ts';
import { type Ace, aceFlags } from './ace.ts';
import type { SecurityDescriptor } from './security-descriptor.ts';
import { type Token, tokenHasSid, wellKnownSids } from './token.ts';

/**
 * Whether a caller has all of the rights in `desiredMask`, [MS-DTYP] 2.5.3.2, without privileges and object lists. The default
 * token (nobody) never has, nor is asking for nothing granted. Generic rights are mapped, on both sides, as for files.
 *
 * - A descriptor without DACL, or with a null one, grants; an empty DACL grants nothing.
 * - The owner has READ_CONTROL and WRITE_DAC, unless an ACE for OWNER RIGHTS says what the owner has.
 * - UNSPECIFIED: ACEs of unknown type, which could be conditional denials, refuse whatever is not granted before them;
 *   ACEs for one object type grant nothing and deny everything they name, as there is no object list.
 */
export function accessCheck(
  descriptor: SecurityDescriptor,
  token: Token,
  desiredMask: number,
  mapping: GenericMapping = fileGenericMapping,
): boolean {
  const desired = mapGenericRights(desiredMask, mapping);
  if (desired === 0 || token.userSid === wellKnownSids.nobody) return false;
  // One needs a privilege, which tokens do not carry; the other is a question with no yes or no.
  if ((desired & (accessRights.accessSystemSecurity | accessRights.maximumAllowed)) !== 0) return false;
  const { dacl, owner } = descriptor;
  if (dacl === undefined || dacl === 'null') return true;

  const isOwner = owner !== undefined && tokenHasSid(token, owner);
  const aces = dacl.aces.filter(({ flags }) => (flags & aceFlags.inheritOnly) === 0);
  const ownerRightsStated = aces.some((ace) => ace.form !== 'unknown' && ace.sid === ownerRights);
  let remaining = desired;
  if (isOwner && !ownerRightsStated) remaining &= ~(accessRights.readControl | accessRights.writeDac);

  for (const ace of aces) {
    // "If RemainingAccess is 0, [the] request is granted": a denial that comes later does not matter.
    if (remaining === 0) return true;
    if (ace.form === 'unknown') return false;
    if (!matches(ace, token, isOwner)) continue;
    const mask = mapGenericRights(ace.mask, mapping);
    if (ace.kind === 'allow' && !isForOneType(ace)) remaining &= ~mask;
    if (ace.kind === 'deny' && (remaining & mask) !== 0) return false;
  }
  return remaining === 0;
}

function matches(ace: Exclude<Ace, { form: 'unknown' }>, token: Token, isOwner: boolean): boolean {
  return ace.sid === ownerRights ? isOwner : tokenHasSid(token, ace.sid);
}

function isForOneType(ace: Ace): boolean {
  return ace.form === 'object' && ace.objectType !== undefined;
}

/** OWNER RIGHTS, [MS-DTYP] 2.4.2.4. */
const ownerRights = 'S-1-3-4';

import { describe, expect, test } from 'vitest';
import {
  accessCheck,
  accessRights,
  anonymousToken,
  fileAllAccess,
  fileGenericMapping,
  fileGenericRead,
  fileGenericWrite,
  isAdministrator,
  mapGenericRights,
  nobody,
  parseSddl,
  type Token,
  wellKnownSids,
} from '../src/index.ts';

const user: Token = {
  name: 'FILES\\user',
  userSid: 'S-1-5-21-1-2-3-1001',
  groupSids: [wellKnownSids.users, wellKnownSids.everyone, wellKnownSids.network, wellKnownSids.authenticatedUsers],
  scheme: 'ntlm',
  source: '192.0.2.1',
  protectedChannel: true,
};
const me = user.userSid;

describe('[MS-DTYP] 2.5.3.2', () => {
  test.each<[string, string, number, boolean]>([
    ['a right of a group', 'D:(A;;FR;;;BU)', fileGenericRead, true],
    ['a right of the user', `D:(A;;FR;;;${me})`, fileGenericRead, true],
    ['somebody else’s right', 'D:(A;;FR;;;BA)', fileGenericRead, false],
    ['more than was granted', 'D:(A;;FR;;;BU)', fileGenericRead | fileGenericWrite, false],
    ['less than was granted', 'D:(A;;FA;;;BU)', fileGenericRead, true],
    ['granted in parts', `D:(A;;FR;;;BU)(A;;FW;;;${me})`, fileGenericRead | fileGenericWrite, true],
    ['a denial first', `D:(D;;FR;;;${me})(A;;FA;;;BU)`, fileGenericRead, false],
    ['a denial of one bit', 'D:(D;;CC;;;BU)(A;;FA;;;WD)', fileGenericRead, false],
    ['a denial of other bits', 'D:(D;;WP;;;BU)(A;;FA;;;WD)', fileGenericRead, true],
    ['a denial behind what grants', 'D:(A;;FR;;;BU)(D;;FA;;;WD)', fileGenericRead, true],
    [
      'a denial between two grants',
      'D:(A;;FR;;;BU)(D;;FW;;;WD)(A;;FW;;;BU)',
      fileGenericRead | fileGenericWrite,
      false,
    ],
    ['a denial for others', 'D:(D;;FA;;;BG)(A;;FR;;;BU)', fileGenericRead, true],
    ['no DACL', 'O:BA', fileAllAccess, true],
    ['a null DACL', 'D:NO_ACCESS_CONTROL', fileAllAccess, true],
    ['an empty DACL', 'D:', fileGenericRead, false],
    ['inherit-only grants nothing', 'D:(A;OICIIO;FR;;;BU)', fileGenericRead, false],
    ['inherit-only denies nothing', 'D:(D;IO;FA;;;BU)(A;;FR;;;BU)', fileGenericRead, true],
    ['inherited counts', 'D:(A;ID;FR;;;BU)', fileGenericRead, true],
    ['generic read in the ACE', 'D:(A;;GR;;;BU)', fileGenericRead, true],
    ['generic all in the ACE', 'D:(A;;GA;;;BU)', fileAllAccess, true],
    ['generic read in the question', 'D:(A;;FR;;;BU)', accessRights.genericRead, true],
    ['generic write in the question', 'D:(A;;FR;;;BU)', accessRights.genericWrite, false],
    ['generic denial', 'D:(D;;GR;;;BU)(A;;FA;;;BU)', fileGenericRead, false],
    ['the owner may read the descriptor', `O:${me}D:`, accessRights.readControl | accessRights.writeDac, true],
    ['the owner may not read the file', `O:${me}D:`, fileGenericRead, false],
    ['a group that owns', 'O:BUD:', accessRights.readControl, true],
    ['another owner', 'O:BAD:', accessRights.readControl, false],
    ['owner rights take the implied ones away', `O:${me}D:(A;;RC;;;OW)`, accessRights.writeDac, false],
    ['owner rights grant', `O:${me}D:(A;;FR;;;OW)`, fileGenericRead, true],
    ['owner rights deny', `O:${me}D:(D;;FR;;;OW)(A;;FA;;;BU)`, fileGenericRead, false],
    ['owner rights of another owner', 'O:BAD:(A;;FR;;;OW)', fileGenericRead, false],
    ['owner rights that are inherit-only', `O:${me}D:(A;IO;RC;;;OW)`, accessRights.writeDac, true],
    ['PRINCIPAL SELF is nobody here', 'D:(A;;FR;;;PS)', fileGenericRead, false],
    ['an object ACE for everything', 'D:(OA;;FR;;;BU)', fileGenericRead, true],
    [
      'an object ACE for one type grants nothing',
      'D:(OA;;FR;ab721a53-1e2f-11d0-9819-00aa0040529b;;BU)',
      fileGenericRead,
      false,
    ],
    [
      'an object ACE for one type denies',
      'D:(OD;;FR;ab721a53-1e2f-11d0-9819-00aa0040529b;;BU)(A;;FA;;;BU)',
      fileGenericRead,
      false,
    ],
    ['audit entries say nothing', 'D:(A;;FR;;;BU)S:(AU;SAFA;FA;;;WD)', fileGenericRead, true],
    ['asking for nothing', 'D:(A;;FA;;;BU)', 0, false],
    ['the system list', 'D:(A;;0xffffffff;;;BU)', accessRights.accessSystemSecurity, false],
    ['as much as possible', 'D:(A;;0xffffffff;;;BU)', accessRights.maximumAllowed, false],
    ['the system list, null DACL', 'D:NO_ACCESS_CONTROL', accessRights.accessSystemSecurity, false],
  ])('%s', (_, sddl, desired, granted) => {
    expect(accessCheck(parseSddl(sddl), user, desired)).toBe(granted);
  });

  test('ACEs of unknown type refuse what is not granted before them', () => {
    const unknown = { form: 'unknown' as const, type: 9, flags: 0, data: new Uint8Array(16) };
    const allow = { form: 'basic' as const, kind: 'allow' as const, flags: 0, mask: fileAllAccess, sid: me };
    const check = (...aces: (typeof unknown | typeof allow)[]) =>
      accessCheck({ ...parseSddl(''), dacl: { revision: 2, aces } }, user, fileGenericRead);
    expect(check(unknown, allow)).toBe(false);
    expect(check(allow, unknown)).toBe(true);
    expect(check({ ...unknown, flags: 8 }, allow)).toBe(true);
  });

  test('nobody is refused, whatever the descriptor says', () => {
    for (const sddl of ['', 'D:NO_ACCESS_CONTROL', 'D:(A;;FA;;;WD)', 'D:(A;;FA;;;S-1-0-0)', 'O:S-1-0-0D:']) {
      expect(accessCheck(parseSddl(sddl), nobody, accessRights.readControl)).toBe(false);
    }
  });

  test('an anonymous caller is in Everyone, not in Authenticated Users', () => {
    const anonymous = anonymousToken('192.0.2.1');
    expect(accessCheck(parseSddl('D:(A;;FR;;;WD)'), anonymous, fileGenericRead)).toBe(true);
    expect(accessCheck(parseSddl('D:(A;;FR;;;AN)'), anonymous, fileGenericRead)).toBe(true);
    expect(accessCheck(parseSddl('D:(A;;FR;;;AU)'), anonymous, fileGenericRead)).toBe(false);
  });

  test('another mapping may be given', () => {
    const mapping = { read: 1, write: 2, execute: 4, all: 7 };
    expect(accessCheck(parseSddl('D:(A;;GRGX;;;BU)'), user, 5, mapping)).toBe(true);
    expect(accessCheck(parseSddl('D:(A;;GRGX;;;BU)'), user, 2, mapping)).toBe(false);
  });
});

test('generic rights map to the file rights', () => {
  expect(mapGenericRights(0x8000_0000, fileGenericMapping)).toBe(0x120089);
  expect(mapGenericRights(0x4000_0000, fileGenericMapping)).toBe(0x120116);
  expect(mapGenericRights(0x2000_0000, fileGenericMapping)).toBe(0x1200a0);
  expect(mapGenericRights(0x1000_0001, fileGenericMapping)).toBe(0x1f01ff);
});

test('administrators need a group and a proof', () => {
  expect(isAdministrator(user)).toBe(false);
  expect(isAdministrator({ ...user, groupSids: ['S-1-5-32-544'] })).toBe(true);
  expect(isAdministrator({ ...user, groupSids: ['S-1-5-32-544'], scheme: 'none' })).toBe(false);
  expect(isAdministrator(nobody)).toBe(false);
});

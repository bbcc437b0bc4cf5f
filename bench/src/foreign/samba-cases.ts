import { createToken } from '@carmine/auth';
import {
  accessCheck,
  encodeSecurityDescriptor,
  parseSddl,
  type SecurityDescriptor,
  type Token,
} from '@carmine/security';
import type { SeededRandom } from '@carmine/testkit';

/** One question: may whoever has these SIDs have these rights? */
export interface AccessCase {
  readonly descriptor: SecurityDescriptor;
  /** As Carmine reads it. */
  readonly text: string;
  /** As Samba can read it; null when it has no text for this descriptor. */
  readonly sambaText: string | null;
  readonly binary: Uint8Array;
  readonly sids: readonly string[];
  readonly mask: number;
  /** Null when Samba's library means something else by the question; see `randomCase`. */
  readonly verdict: boolean | null;
}

export const domainSid = 'S-1-5-21-1-2-3';

/**
 * A random question. What is left out, because Samba's library answers other questions than ours there:
 * - no right asked for at all: Samba grants it, we refuse ([MS-DTYP] has no such question);
 * - MAXIMUM_ALLOWED and ACCESS_SYSTEM_SECURITY: Samba answers with a mask, or asks for a privilege; we refuse;
 * - object ACEs: they mean something in directories only, and without an object tree Samba's library is no judge of them.
 * Not compared: the verdict on descriptors without a DACL, to which Windows grants everything and Samba's se_access_check
 * nothing; their encoding is compared.
 * What Samba cannot read as text: NO_ACCESS_CONTROL, which goes as a binary descriptor only. `FA`, which Samba 4.17
 * takes for 0x1ff instead of [MS-DTYP]'s FILE_ALL_ACCESS (0x1f01ff), is a number in the text for Samba.
 */
export function randomCase(random: SeededRandom): AccessCase {
  const text = randomText(random);
  const descriptor = parseSddl(text, { domainSid });
  const token = randomToken(random);
  const mask = randomMask(random);
  return {
    descriptor,
    text,
    sambaText: text.includes('NO_ACCESS_CONTROL') ? null : text.replaceAll(';FA;', ';0x1f01ff;'),
    binary: encodeSecurityDescriptor(descriptor),
    sids: [token.userSid, ...token.groupSids],
    mask,
    verdict: descriptor.dacl === undefined ? null : accessCheck(descriptor, token, mask),
  };
}

const user = (number: number) => `${domainSid}-${1000 + number}`;
const users = [1, 2, 3].map(user);
const groups = ['S-1-5-32-544', 'S-1-5-32-545', 'S-1-5-32-546', `${domainSid}-512`, 'S-1-5-20', 'S-1-5-18'];
/** Who an ACE or the owner may be, as text; OW is OWNER RIGHTS, CO is replaced on inheritance and stands for nobody. */
const principals = ['WD', 'AU', 'BA', 'BU', 'BG', 'SY', 'NU', 'DA', 'LA', 'AN', 'CO', 'NS', ...users];
const rights = [
  'FR',
  'FW',
  'FX',
  'FA',
  'GR',
  'GW',
  'GX',
  'GA',
  'GRGX',
  'RC',
  'WD',
  'WO',
  'SD',
  'CC',
  'CCLCRP',
  'SDRCWDWO',
  '',
];
const flags = ['', '', '', 'OI', 'CI', 'IO', 'OICIIO', 'ID', 'CIID', 'NP', 'IOID'];

function randomText(random: SeededRandom): string {
  const owner = random.below(5) === 0 ? '' : `O:${random.pick(principals)}`;
  const group = random.below(3) === 0 ? '' : `G:${random.pick(principals)}`;
  return `${owner}${group}${randomDacl(random)}`;
}

function randomDacl(random: SeededRandom): string {
  const kind = random.below(40);
  if (kind === 0) return '';
  if (kind === 1) return 'D:NO_ACCESS_CONTROL';
  const control = random.pick(['', '', '', 'P', 'AI', 'PAI', 'AR', 'ARAI']);
  if (kind === 2) return `D:${control}`;
  const aces = Array.from({ length: 1 + random.below(6) }, () => randomAce(random));
  // Canonical order or any: denials first, or wherever they fall.
  if (random.below(2) === 0) aces.sort((a, b) => Number(b.startsWith('(D')) - Number(a.startsWith('(D')));
  return `D:${control}${aces.join('')}`;
}

function randomAce(random: SeededRandom): string {
  const type = random.below(3) === 0 ? 'D' : 'A';
  const number = `0x${((random.uint32() & 0x1f_01ff) >>> 0).toString(16)}`;
  const mask = random.below(4) === 0 ? number : random.pick(rights);
  const principal = random.below(12) === 0 ? 'OW' : random.pick(principals);
  return `(${type};${random.pick(flags)};${mask};;;${principal})`;
}

/** Somebody who logged on, or nobody in particular: only what the list of SIDs says counts. */
function randomToken(random: SeededRandom): Token {
  const groupSids = groups.filter(() => random.below(4) === 0);
  const account = { name: 'HOST\\x', userSid: random.pick([...users, user(9), `${domainSid}-500`]), groupSids };
  const token = createToken(account, { scheme: 'ntlm', source: '', protectedChannel: true });
  return random.below(10) === 0 ? { ...token, groupSids } : token;
}

function randomMask(random: SeededRandom): number {
  const named = [
    0x12_0089, 0x12_0089, 0x12_0116, 0x12_00a0, 0x1f_01ff, 0x8000_0000, 0x4000_0000, 0x2000_0000, 0x1000_0000,
  ];
  const bits = [0x1, 0x2, 0x4, 0x80, 0x100, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000];
  const kind = random.below(4);
  if (kind === 0) return random.pick(bits);
  if (kind === 1) return (random.pick(bits) | random.pick(bits)) >>> 0;
  if (kind === 2) return Math.max(1, (random.uint32() & random.uint32() & 0x1f_01ff) >>> 0);
  return random.pick(named);
}

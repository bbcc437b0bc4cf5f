import { accessRights, fileAllAccess, fileGenericExecute, fileGenericRead, fileGenericWrite } from './access-mask.ts';
import { aceFlags } from './ace.ts';
import { controlFlags } from './security-descriptor.ts';

/** Two letters for a SID, [MS-DTYP] 2.5.1.1 sid-token. */
export const sidAliases: ReadonlyMap<string, string> = new Map([
  ['WD', 'S-1-1-0'],
  ['CO', 'S-1-3-0'],
  ['CG', 'S-1-3-1'],
  ['OW', 'S-1-3-4'],
  ['NU', 'S-1-5-2'],
  ['IU', 'S-1-5-4'],
  ['SU', 'S-1-5-6'],
  ['AN', 'S-1-5-7'],
  ['ED', 'S-1-5-9'],
  ['PS', 'S-1-5-10'],
  ['AU', 'S-1-5-11'],
  ['RC', 'S-1-5-12'],
  ['SY', 'S-1-5-18'],
  ['LS', 'S-1-5-19'],
  ['NS', 'S-1-5-20'],
  ['WR', 'S-1-5-33'],
  ['UD', 'S-1-5-84-0-0-0-0-0'],
  ['BA', 'S-1-5-32-544'],
  ['BU', 'S-1-5-32-545'],
  ['BG', 'S-1-5-32-546'],
  ['PU', 'S-1-5-32-547'],
  ['AO', 'S-1-5-32-548'],
  ['SO', 'S-1-5-32-549'],
  ['PO', 'S-1-5-32-550'],
  ['BO', 'S-1-5-32-551'],
  ['RE', 'S-1-5-32-552'],
  ['RU', 'S-1-5-32-554'],
  ['RD', 'S-1-5-32-555'],
  ['NO', 'S-1-5-32-556'],
  ['MU', 'S-1-5-32-558'],
  ['LU', 'S-1-5-32-559'],
  ['IS', 'S-1-5-32-568'],
  ['CY', 'S-1-5-32-569'],
  ['ER', 'S-1-5-32-573'],
  ['CD', 'S-1-5-32-574'],
  ['RA', 'S-1-5-32-575'],
  ['ES', 'S-1-5-32-576'],
  ['MS', 'S-1-5-32-577'],
  ['HA', 'S-1-5-32-578'],
  ['AA', 'S-1-5-32-579'],
  ['RM', 'S-1-5-32-580'],
  ['AC', 'S-1-15-2-1'],
  ['LW', 'S-1-16-4096'],
  ['ME', 'S-1-16-8192'],
  ['MP', 'S-1-16-8448'],
  ['HI', 'S-1-16-12288'],
  ['SI', 'S-1-16-16384'],
  ['AS', 'S-1-18-1'],
  ['SS', 'S-1-18-2'],
]);

/** Two letters for an account or group of the domain (or of the machine, which here is the same): its relative identifier. */
export const domainAliases: ReadonlyMap<string, number> = new Map([
  ['RO', 498],
  ['LA', 500],
  ['LG', 501],
  ['DA', 512],
  ['DU', 513],
  ['DG', 514],
  ['DC', 515],
  ['DD', 516],
  ['CA', 517],
  ['SA', 518],
  ['EA', 519],
  ['PA', 520],
  ['CN', 522],
  ['AP', 525],
  ['KA', 526],
  ['EK', 527],
  ['RS', 553],
]);

/** Right mnemonics that stand for one bit, in the order in which we write them. */
export const singleRights: ReadonlyMap<string, number> = new Map([
  ['GA', accessRights.genericAll],
  ['GR', accessRights.genericRead],
  ['GW', accessRights.genericWrite],
  ['GX', accessRights.genericExecute],
  ['CC', 0x0001],
  ['DC', 0x0002],
  ['LC', 0x0004],
  ['SW', 0x0008],
  ['RP', 0x0010],
  ['WP', 0x0020],
  ['DT', 0x0040],
  ['LO', 0x0080],
  ['CR', 0x0100],
  ['SD', accessRights.delete],
  ['RC', accessRights.readControl],
  ['WD', accessRights.writeDac],
  ['WO', accessRights.writeOwner],
]);

/** Right mnemonics that stand for several bits; of two with the same value the first is written. */
export const compoundRights: ReadonlyMap<string, number> = new Map([
  ['FA', fileAllAccess],
  ['FR', fileGenericRead],
  ['FW', fileGenericWrite],
  ['FX', fileGenericExecute],
  ['KA', 0x000f_003f],
  ['KR', 0x0002_0019],
  ['KW', 0x0002_0006],
  ['KX', 0x0002_0019],
]);

/** Rights of mandatory labels, which mean something else with every other type. */
export const labelRights: ReadonlyMap<string, number> = new Map([
  ['NW', 0x1],
  ['NR', 0x2],
  ['NX', 0x4],
]);

/** In the order in which we write them. */
export const aceFlagLetters: ReadonlyMap<string, number> = new Map([
  ['OI', aceFlags.objectInherit],
  ['CI', aceFlags.containerInherit],
  ['NP', aceFlags.noPropagateInherit],
  ['IO', aceFlags.inheritOnly],
  ['ID', aceFlags.inherited],
  ['SA', aceFlags.successfulAccess],
  ['FA', aceFlags.failedAccess],
]);

/** Type letters, and the list in which the type may stand. */
export const aceTypeLetters = [
  { letters: 'A', form: 'basic', kind: 'allow', list: 'D' },
  { letters: 'D', form: 'basic', kind: 'deny', list: 'D' },
  { letters: 'OA', form: 'object', kind: 'allow', list: 'D' },
  { letters: 'OD', form: 'object', kind: 'deny', list: 'D' },
  { letters: 'AU', form: 'basic', kind: 'audit', list: 'S' },
  { letters: 'AL', form: 'basic', kind: 'alarm', list: 'S' },
  { letters: 'OU', form: 'object', kind: 'audit', list: 'S' },
  { letters: 'OL', form: 'object', kind: 'alarm', list: 'S' },
  { letters: 'ML', form: 'basic', kind: 'mandatory-label', list: 'S' },
] as const;

/** acl-flag-string, per list. */
export const aclFlagLetters = {
  D: new Map<string, number>([
    ['P', controlFlags.daclProtected],
    ['AR', controlFlags.daclAutoInheritRequired],
    ['AI', controlFlags.daclAutoInherited],
  ]),
  S: new Map<string, number>([
    ['P', controlFlags.saclProtected],
    ['AR', controlFlags.saclAutoInheritRequired],
    ['AI', controlFlags.saclAutoInherited],
  ]),
} as const;

/** Stands for a null list. */
export const noAccessControl = 'NO_ACCESS_CONTROL';

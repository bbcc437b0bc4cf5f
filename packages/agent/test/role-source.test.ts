import type { Role } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { nobody, type Token } from '@carmine/security';
import { expect, it } from 'vitest';
import { createRoleSource } from '../src/node/index.ts';
import { recordingLog } from './support.ts';

const member = (...groupSids: string[]): Token => ({ ...nobody, userSid: 'S-1-5-21-7', groupSids, scheme: 'ntlm' });
const named = (name: string, sid: string) => ({ domain: 'HOST', name, sid });

it('gives the roles of all groups in the token', () => {
  const sids = new Map([
    ['A', 'S-1-5-21-1'],
    ['B', 'S-1-5-21-2'],
    ['me', 'S-1-5-21-7'],
  ]);
  const lookUpSid = (name: string) => (sids.has(name) ? named(name, sids.get(name)!) : undefined);
  const table = new Map<string, Role>([
    ['A', 'operator'],
    ['B', 'publisher'],
    ['me', 'reader'],
    ['none', 'reader'],
  ]);
  const log = recordingLog();
  const rolesOf = createRoleSource(table, { lookUpSid }, log);
  expect(log.lines).toEqual(['warn management.roles: there is no group "none" yet: nobody has its role']);
  expect(rolesOf(member('S-1-5-21-1'))).toEqual(['operator']);
  expect(rolesOf(member('S-1-5-21-2', 'S-1-5-21-1'))).toEqual(['operator', 'publisher']);
  // The caller's own account is no group; a group that is not there is no empty SID.
  expect(rolesOf(member())).toEqual([]);
  expect(rolesOf(member(''))).toEqual([]);
  sids.set('none', 'S-1-5-21-3');
  expect(rolesOf(member('S-1-5-21-3'))).toEqual(['reader']);
});

it('gives nobody a role when the accounts cannot be read', () => {
  let broken = false;
  const lookUpSid = () => {
    if (broken) throw new CarmineError('configuration/unreadable', { context: { file: 'f', reason: 'gone' } });
    return named('A', 'S-1-5-21-1');
  };
  const log = recordingLog();
  const rolesOf = createRoleSource(new Map([['A', 'reader']]), { lookUpSid }, log);
  expect(rolesOf(member('S-1-5-21-1'))).toEqual(['reader']);
  broken = true;
  expect(rolesOf(member('S-1-5-21-1'))).toEqual([]);
  expect(log.lines).toHaveLength(1);
});

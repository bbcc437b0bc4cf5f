import { nobody, type Token, wellKnownSids } from '@carmine/security';
import { describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  type CimClass,
  type CimOperations,
  type CimValue,
  createDispatcher,
  type ObjectPath,
  type Role,
  type RolesOf,
  roles,
  roleTable,
} from '../src/index.ts';
import { administrator, allOf, anonymous, collect, recorder, stub, user } from './support.ts';

/** Tokens of this test carry their roles as group SIDs. */
const sidOf: Record<Role, string> = { reader: 'S-1-5-21-9-1', operator: 'S-1-5-21-9-2', publisher: 'S-1-5-21-9-3' };
const rolesOf: RolesOf = ({ groupSids }) => roles.filter((role) => groupSids.includes(sidOf[role]));
const holding = (...held: Role[]): Token => ({
  ...user,
  groupSids: [...user.groupSids, ...held.map((role) => sidOf[role])],
});

function open(token: Token, provider = stub(), roleSource: RolesOf | undefined = rolesOf) {
  const events: AuditEvent[] = [];
  const providers = allOf(provider);
  const dispatcher = createDispatcher({ providers, audit: (event) => events.push(event), rolesOf: roleSource });
  return { cim: dispatcher.session(token), dispatcher, events };
}

const schema = createDispatcher({ providers: allOf(stub()) }).schema;
const pathTo = (cls: CimClass): ObjectPath => ({
  namespace: cls.namespace,
  className: cls.name,
  keys: new Map<string, CimValue>(
    cls.properties.filter(({ key }) => key).map(({ name, type }) => [name, type === 'string' ? 'x' : 0]),
  ),
});

type Call = (cim: CimOperations, cls: CimClass) => Promise<unknown>;
const instanceCalls: Record<string, Call> = {
  GetInstance: (cim, cls) => cim.getInstance(pathTo(cls)),
  EnumerateInstances: (cim, cls) => collect(cim.enumerateInstances(cls.namespace, cls.name)),
  ExecuteQuery: (cim, cls) => collect(cim.executeQuery(cls.namespace, `SELECT * FROM ${cls.name}`)),
  ModifyInstance: (cim, cls) => cim.modifyInstance(pathTo(cls), new Map()),
  DeleteInstance: (cim, cls) => cim.deleteInstance(pathTo(cls)),
};

/** Letters of those who may, besides administrators: r reader, o operator, p publisher. Written independently of the source. */
const expected: Record<string, Record<string, string>> = {
  BitsClientFile: instances('rop', '', ''),
  BitsClientJob: {
    ...instances('rop', 'o', ''),
    CreateJob: '',
    AddFile: '',
    SetJobState: 'o',
    SetCredentials: '',
    RemoveCredentials: '',
    GetError: 'rop',
    SetClientCertificateByName: '',
    SetClientCertificateById: '',
    RemoveClientCertificate: '',
    SetProxySettings: 'o',
  },
  CarmineEndedJob: instances('rop', '', ''),
  CarmineJobFile: instances('rop', '', ''),
  BitsCompactServerUrlGroup: {
    ...instances('rop', 'p', 'p'),
    SetSslCertificate: '',
    GetSslCertificate: 'rop',
    RemoveSslCertificate: '',
    CreateUrlGroup: 'p',
    DeleteUrlGroup: 'p',
    CreateUrl: 'p',
    CheckUrl: 'rop',
    DeleteUrl: 'p',
    SetUrlGroupAuthentication: 'p',
    GetUrlGroupAuthentication: 'rop',
    SetProperty: 'p',
    GetProperty: 'rop',
  },
  CarmineUrl: instances('rop', 'p', 'p'),
  CarmineUrlGroup: instances('rop', 'p', 'p'),
  CarmineTransfer: instances('rop', 'p', 'p'),
  Win32_UserAccount: instances('', '', ''),
};

function instances(read: string, modify: string, remove: string): Record<string, string> {
  return {
    GetInstance: read,
    EnumerateInstances: read,
    ExecuteQuery: read,
    ModifyInstance: modify,
    DeleteInstance: remove,
  };
}

const cells = schema.classes.flatMap((cls) =>
  [...Object.keys(instanceCalls), ...cls.methods.map(({ name }) => name)].flatMap((action) =>
    roles.map((role) => [role, action, cls.name, cls, expected[cls.name]?.[action]] as const),
  ),
);

/** How a call ended, besides the audit. */
const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error) => error.code as string,
  );
const callFor = (action: string): Call =>
  instanceCalls[action] ?? ((cim, cls) => cim.invokeMethod(pathTo(cls), action, new Map()));

describe('every cell: role, call and class', () => {
  it('is all there is', () => {
    expect(cells).toHaveLength(roles.length * (9 * 5 + 10 + 12));
    expect(cells.filter(([, , , , letters]) => letters === undefined)).toEqual([]);
    const named = Object.entries(expected).flatMap(([cls, row]) => Object.keys(row).map((name) => `${cls}.${name}`));
    expect(named).toHaveLength(9 * 5 + 10 + 12);
  });

  it.each(cells)('%s, %s of %s', async (role, action, _name, cls, letters = '') => {
    const allowed = letters.includes(role.slice(0, 1));
    // What is denied must not reach a provider; what is allowed may, and may fail there.
    const { cim, dispatcher, events } = open(holding(role), allowed ? recorder().provider : stub());
    const outcome = await outcomeOf(callFor(action)(cim, cls));
    expect(dispatcher.mayManage(holding(role))).toBe(true);
    if (allowed) {
      expect(outcome).not.toBe('auth/access-denied');
      expect(events[0]?.outcome).not.toBe('denied');
    } else {
      expect(outcome).toBe('auth/access-denied');
      expect(events).toMatchObject([{ action, outcome: 'denied', result: 0x8004_1003 }]);
    }
  });

  it.each(cells)('an administrator instead of a %s, %s of %s', async (_role, action, _name, cls) => {
    const { cim } = open(administrator, recorder().provider);
    expect(await outcomeOf(callFor(action)(cim, cls))).not.toBe('auth/access-denied');
  });

  it('the table lets nobody but administrators do anything with accounts or credentials', () => {
    expect(Object.values(roleTable.account).flat()).toEqual([]);
    for (const row of Object.values(roleTable)) expect(row.credentials).toEqual([]);
  });
});

describe('roles', () => {
  it('add up', async () => {
    const { cim } = open(holding('operator', 'publisher'), recorder().provider);
    const [jobs, groups] = ['BitsClientJob', 'BitsCompactServerUrlGroup'].map(
      (name) => schema.classes.find((cls) => cls.name === name)!,
    );
    expect(await outcomeOf(callFor('SetJobState')(cim, jobs!))).not.toBe('auth/access-denied');
    expect(await outcomeOf(callFor('CreateUrlGroup')(cim, groups!))).not.toBe('auth/access-denied');
    expect(await outcomeOf(callFor('SetCredentials')(cim, jobs!))).toBe('auth/access-denied');
  });

  it('are off unless given: the same token manages nothing', async () => {
    for (const role of roles) {
      const { cim, dispatcher } = open(holding(role), stub(), () => []);
      expect(dispatcher.mayManage(holding(role))).toBe(false);
      await expect(collect(cim.enumerateInstances('root/microsoft/bits', 'BitsClientJob'))).rejects.toMatchObject({
        code: 'auth/access-denied',
      });
    }
    const without = createDispatcher({ providers: allOf(stub()) });
    expect(without.mayManage(holding('reader'))).toBe(false);
  });

  it.each([
    ['nobody', nobody],
    ['anonymous', anonymous],
    ['a reader without authentication', { ...holding('reader'), scheme: 'none' as const }],
    ['an administrator without authentication', { ...administrator, scheme: 'none' as const }],
  ])('are not for %s, whatever the source of roles says', async (_who, token) => {
    const { cim, dispatcher, events } = open(token, stub(), () => roles);
    expect(dispatcher.mayManage(token)).toBe(false);
    await expect(collect(cim.executeQuery('root/microsoft/bits', 'nonsense'))).rejects.toMatchObject({
      code: 'auth/access-denied',
    });
    expect(events).toMatchObject([{ outcome: 'denied' }]);
  });

  it('tell names of classes and methods in any spelling apart as the calls do', async () => {
    const path: ObjectPath = { namespace: '\\ROOT/microsoft\\bits', className: ' bitsclientjob', keys: new Map() };
    const calls: [string, Promise<unknown>][] = [
      ['SETCREDENTIALS', open(holding('operator')).cim.invokeMethod(path, 'SETCREDENTIALS', new Map())],
      ['createjob', open(holding('operator')).cim.invokeMethod(path, 'createjob', new Map())],
      // The name of an operation is not that of a method.
      ['GetInstance', open(holding('operator')).cim.invokeMethod(path, 'GetInstance', new Map())],
      ['Nothing', open(holding('operator')).cim.invokeMethod(path, 'Nothing', new Map())],
      ['constructor', open(holding('operator')).cim.invokeMethod(path, 'constructor', new Map())],
    ];
    for (const [name, call] of calls) expect(await outcomeOf(call), name).toBe('auth/access-denied');
    const reader = open(holding('reader'), recorder().provider);
    expect(await outcomeOf(reader.cim.invokeMethod(path, 'geterror', new Map()))).not.toBe('auth/access-denied');
  });

  it('reach neither classes that are not here nor accounts through a query', async () => {
    const denied = async (namespace: string, query: string) => {
      const { cim, events } = open(holding('reader'));
      expect(await outcomeOf(collect(cim.executeQuery(namespace, query))), query).toBe('auth/access-denied');
      expect(events).toMatchObject([{ action: 'ExecuteQuery', outcome: 'denied' }]);
    };
    await denied('root/cimv2', 'SELECT * FROM Win32_UserAccount');
    await denied('root/cimv2', "select SID from WIN32_USERACCOUNT where Name = 'x' and Domain = 'y'");
    await denied('root/cimv2', 'SELECT * FROM BitsClientJob');
    await denied('root/cimv2', 'SELECT * FROM Nothing');
    await denied('no/where', 'SELECT * FROM BitsClientJob');
  });

  it('a query that cannot be read is told as such, and recorded', async () => {
    const { cim, events } = open(holding('reader'));
    expect(await outcomeOf(collect(cim.executeQuery('root/cimv2', 'nonsense')))).toBe('cim/invalid-query');
    expect(events).toMatchObject([{ action: 'ExecuteQuery', outcome: 'failed' }]);
  });

  it('are no groups of ours: Users and Everyone have none by themselves', () => {
    const { dispatcher } = open({ ...user, groupSids: [wellKnownSids.users, wellKnownSids.everyone] });
    expect(dispatcher.mayManage(user)).toBe(false);
  });
});

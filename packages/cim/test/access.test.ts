import { nobody, type Token, wellKnownSids } from '@carmine/security';
import { describe, expect, it } from 'vitest';
import { type CimClass, type CimOperations, type CimValue, createDispatcher, type ObjectPath } from '../src/index.ts';
import { administrator, allOf, anonymous, collect, open, recorder, stub, user } from './support.ts';

const schema = createDispatcher({ providers: allOf(stub()) }).schema;
const pathTo = (cls: CimClass): ObjectPath => ({
  namespace: cls.namespace,
  className: cls.name,
  keys: new Map<string, CimValue>(
    cls.properties.filter(({ key }) => key).map(({ name, type }) => [name, type === 'string' ? 'x' : 0]),
  ),
});

/** Every operation on every class, and every method of every class. */
const operations: readonly [string, string, (cim: CimOperations) => Promise<unknown>][] = schema.classes.flatMap(
  (cls) => [
    ['GetInstance', cls.name, (cim: CimOperations) => cim.getInstance(pathTo(cls))],
    ['EnumerateInstances', cls.name, (cim: CimOperations) => collect(cim.enumerateInstances(cls.namespace, cls.name))],
    [
      'ExecuteQuery',
      `SELECT * FROM ${cls.name}`,
      (cim: CimOperations) => collect(cim.executeQuery(cls.namespace, `SELECT * FROM ${cls.name}`)),
    ],
    ['ModifyInstance', cls.name, (cim: CimOperations) => cim.modifyInstance(pathTo(cls), new Map())],
    [
      'Subscribe',
      cls.name,
      (cim: CimOperations) =>
        cim.subscribe(
          cls.namespace,
          `SELECT * FROM __InstanceOperationEvent WITHIN 1 WHERE TargetInstance ISA '${cls.name}'`,
        ),
    ],
    ['DeleteInstance', cls.name, (cim: CimOperations) => cim.deleteInstance(pathTo(cls))],
    ...cls.methods.map(
      (method) =>
        [method.name, cls.name, (cim: CimOperations) => cim.invokeMethod(pathTo(cls), method.name, new Map())] as [
          string,
          string,
          (cim: CimOperations) => Promise<unknown>,
        ],
    ),
  ],
);

const callers: readonly [string, Token][] = [
  ['nobody', nobody],
  ['anonymous', anonymous],
  ['an authenticated user', user],
  // The group in a token that no authentication made is worth nothing.
  ['an administrator without authentication', { ...administrator, scheme: 'none' }],
  ['a user who calls himself Administrators', { ...user, name: wellKnownSids.administrators }],
];

describe('the access check', () => {
  it('covers all that there is', () => {
    expect(schema.classes.map(({ name }) => name)).toEqual([
      'BitsClientFile',
      'BitsClientJob',
      'CarmineEndedJob',
      'CarmineJobFile',
      'BitsCompactServerUrlGroup',
      'CarmineUrl',
      'CarmineUrlGroup',
      'CarmineTransfer',
      'Win32_UserAccount',
    ]);
    expect(operations).toHaveLength(9 * 6 + 10 + 12);
  });

  describe.each(callers)('refuses %s', (_who, token) => {
    it.each(operations)('%s of %s, and no provider is touched', async (action, object, call) => {
      const { cim, dispatcher, events } = open(stub(), token);
      await expect(call(cim)).rejects.toMatchObject({ code: 'auth/access-denied', hresult: 0x8004_1003 });
      expect(dispatcher.mayManage(token)).toBe(false);
      expect(events).toMatchObject([{ token, action, outcome: 'denied', result: 0x8004_1003 }]);
      expect(events[0]?.object).toContain(object);
    });

    it('before anything is looked up', async () => {
      const { cim, events } = open(stub(), token);
      const nowhere: ObjectPath = { namespace: 'no\\where', className: 'Nothing', keys: new Map([['K', 1]]) };
      const denied = { code: 'auth/access-denied' };
      await expect(cim.getInstance(nowhere)).rejects.toMatchObject(denied);
      await expect(cim.invokeMethod(nowhere, 'None', new Map([['p', 1]]))).rejects.toMatchObject(denied);
      await expect(collect(cim.executeQuery('no\\where', 'not a query'))).rejects.toMatchObject(denied);
      await expect(collect(cim.enumerateInstances('no\\where', 'Nothing'))).rejects.toMatchObject(denied);
      expect(events.map(({ outcome }) => outcome)).toEqual(['denied', 'denied', 'denied', 'denied']);
    });
  });

  it('lets every call of an administrator reach the provider, or answers it by the schema', async () => {
    const { provider } = recorder();
    for (const [action, object, call] of operations) {
      const { cim, dispatcher, events } = open(provider);
      const outcome = await call(cim).then(
        () => 'done',
        (error) => error.code as string,
      );
      expect(outcome, `${action} ${object}`).not.toBe('auth/access-denied');
      expect(dispatcher.mayManage(administrator)).toBe(true);
      expect(events[0]).toMatchObject({ token: administrator, action });
      expect(events[0]?.outcome).not.toBe('denied');
    }
  });

  it('takes a session without a token for one of nobody', async () => {
    const dispatcher = createDispatcher({ providers: allOf(stub()) });
    await expect(dispatcher.session().getInstance(operationsPath)).rejects.toMatchObject({
      code: 'auth/access-denied',
    });
  });
});

const operationsPath: ObjectPath = {
  namespace: 'root/microsoft/bits',
  className: 'BitsClientJob',
  keys: new Map([['JobId', 'x']]),
};

import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareEventQuery } from '../src/event-query.ts';
import { bitsNamespace, type CimInstance, type CimValue, createDispatcher, parseEventWql } from '../src/index.ts';
import { allOf, stub } from './support.ts';

const { schema } = createDispatcher({ providers: allOf(stub()) });
const prepare = (text: string) => prepareEventQuery(schema, bitsNamespace, text);
const ofJobs = "TargetInstance ISA 'BitsClientJob'";
const modification = (where: string) => prepare(`SELECT * FROM __InstanceModificationEvent WITHIN 1 WHERE ${where}`);

const instance = (className: string, values: Record<string, CimValue>): CimInstance => ({
  namespace: bitsNamespace,
  className,
  properties: new Map(Object.entries(values)),
});
const job = (values: Record<string, CimValue>) => instance('BitsClientJob', values);
const event = (kind: string, target: CimInstance, previous?: CimInstance) =>
  instance(`__Instance${kind}Event`, {
    SECURITY_DESCRIPTOR: null,
    TIME_CREATED: 133n,
    TargetInstance: target,
    ...(previous === undefined ? {} : { PreviousInstance: previous }),
  });

describe('parseEventWql', () => {
  it.each([
    ['SELECT * FROM E', { properties: undefined, className: 'E', within: undefined, where: undefined }],
    ['select TargetInstance from E within 2.5', { properties: ['TargetInstance'], className: 'E', within: 2.5 }],
    [
      "SELECT * FROM E WITHIN 1 WHERE T ISA 'C' AND T.A <> P.A",
      {
        within: 1,
        where: {
          kind: 'and',
          terms: [
            { kind: 'compare', property: 'T', operator: 'isa', value: 'C' },
            { kind: 'compareProperties', property: 'T.A', operator: '<>', other: 'P.A' },
          ],
        },
      },
    ],
  ])('%s', (text, expected) => {
    expect(parseEventWql(text)).toMatchObject(expected);
  });

  it.each([
    ['SELECT * FROM E WITHIN WHERE a = 1', 24, 'expected a number of seconds'],
    ['SELECT * FROM E WITHIN -1', 24, 'expected a number of seconds'],
    ['SELECT * FROM E WITHIN 1e999', 24, 'expected a number of seconds'],
    ['SELECT * FROM E WITHIN 1 GROUP WITHIN 10', 26, 'GROUP and HAVING'],
    ['SELECT * FROM E WITHIN 1 WHERE a = 1 HAVING b > 2', 38, 'GROUP and HAVING'],
    ['SELECT * FROM E WITHIN 1 WITHIN 2', 26, 'unexpected text'],
    ['SELECT * FROM E WITHIN 1 WHERE', 31, 'expected a constant'],
  ])('%s: at %i', (text, position, reason) => {
    expect(() => parseEventWql(text)).toThrow(
      expect.objectContaining({ code: 'cim/invalid-query', context: expect.objectContaining({ position }) }),
    );
    expect(() => parseEventWql(text)).toThrow(reason);
  });
});

describe('prepareEventQuery', () => {
  it.each([
    ['WITHIN 2', 2_000],
    ['WITHIN 0.5', 500],
    ['WITHIN 0', 100],
    ['WITHIN 0.01', 100],
    ['WITHIN 4294967295', 86_400_000],
  ])('%s is %i ms', (within, expected) => {
    expect(prepare(`SELECT * FROM __InstanceCreationEvent ${within} WHERE ${ofJobs}`).within).toBe(expected);
  });

  it.each([
    [`SELECT * FROM __InstanceCreationEvent WHERE ${ofJobs}`, 'cim/within-missing', 0x8004_2002],
    ['SELECT * FROM __InstanceCreationEvent WITHIN 1', 'cim/query-too-broad', 0x8004_2001],
    [
      'SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance.State = 5',
      'cim/query-too-broad',
      0x8004_2001,
    ],
    [`SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE NOT ${ofJobs}`, 'cim/query-too-broad', 0x8004_2001],
    [
      `SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE ${ofJobs} OR TargetInstance.State = 5`,
      'cim/query-too-broad',
      0x8004_2001,
    ],
    [`SELECT * FROM BitsClientJob WITHIN 1 WHERE ${ofJobs}`, 'cim/not-event-class', 0x8004_1059],
    [`SELECT * FROM Nothing WITHIN 1 WHERE ${ofJobs}`, 'cim/invalid-class', 0x8004_1010],
    [`SELECT * FROM __ClassOperationEvent WITHIN 1`, 'cim/not-supported', 0x8004_100c],
    [`SELECT * FROM __TimerEvent WHERE TimerId = 'x'`, 'cim/not-supported', 0x8004_100c],
    [
      "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Nothing'",
      'cim/invalid-class',
      0x8004_1010,
    ],
    [`SELECT Nothing FROM __InstanceCreationEvent WITHIN 1 WHERE ${ofJobs}`, 'cim/invalid-query', 0x8004_1017],
    [
      `SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE ${ofJobs} AND TargetInstance ISA 'BitsClientFile'`,
      'cim/invalid-query',
      0x8004_1017,
    ],
  ])('%s: %s', (text, code, hresult) => {
    expect(() => prepare(text)).toThrow(expect.objectContaining({ code, hresult }));
  });

  it.each([
    'TargetInstance.Nothing = 1',
    'Nothing.State = 1',
    'TIME_CREATED.State = 1',
    'State = 1',
    'TargetInstance = 1',
    'TargetInstance.Files = 1',
    'TargetInstance.Files.RemoteUrl = 1',
    "TargetInstance.State = 'many'",
    "TargetInstance.DisplayName ISA 'BitsClientJob'",
    'TargetInstance.DisplayName <> PreviousInstance.State',
    'TargetInstance.Files <> PreviousInstance.Files',
    'TargetInstance.DisplayName LIKE PreviousInstance.DisplayName',
  ])('refuses WHERE … AND %s', (condition) => {
    expect(() => modification(`${ofJobs} AND ${condition}`)).toThrow(
      expect.objectContaining({ code: 'cim/invalid-query' }),
    );
  });

  it('knows PreviousInstance of modifications only', () => {
    const where = `WITHIN 1 WHERE ${ofJobs} AND PreviousInstance.State = 1`;
    expect(() => prepare(`SELECT * FROM __InstanceDeletionEvent ${where}`)).toThrow('no property PreviousInstance');
    expect(() => prepare(`SELECT * FROM __InstanceModificationEvent ${where}`)).not.toThrow();
  });

  it('watches every class that the query can mean', () => {
    const names = (text: string) => prepare(text).classes.map(({ name }) => name);
    const from = 'SELECT * FROM __InstanceOperationEvent WITHIN 1 WHERE';
    expect(names(`${from} ${ofJobs}`)).toEqual(['BitsClientJob']);
    expect(names(`${from} ${ofJobs} OR TargetInstance ISA 'bitscompactserverurlgroup'`)).toEqual([
      'BitsClientJob',
      'BitsCompactServerUrlGroup',
    ]);
  });

  it.each([
    ['__InstanceCreationEvent', ['Creation']],
    ['__instancemodificationevent', ['Modification']],
    ['__InstanceDeletionEvent', ['Deletion']],
    ['__InstanceOperationEvent', ['Creation', 'Modification', 'Deletion']],
  ])('%s takes %j', (from, expected) => {
    const query = prepare(`SELECT * FROM ${from} WITHIN 1 WHERE ${ofJobs}`);
    const kinds = ['Creation', 'Modification', 'Deletion'];
    const target = job({ State: 1 });
    expect(kinds.filter((kind) => query.select(event(kind, target, target)) !== undefined)).toEqual(expected);
  });

  it.each([
    ['TargetInstance.State = 5', true],
    ['TargetInstance.State = 4', false],
    ['targetinstance.state = 5', true],
    ['PreviousInstance.State = 2', true],
    ['TargetInstance.State <> PreviousInstance.State', true],
    ['TargetInstance.State = PreviousInstance.State', false],
    ['TargetInstance.State > PreviousInstance.State', true],
    ['TargetInstance.DisplayName = PreviousInstance.DisplayName', true],
    ['TargetInstance.Owner <> PreviousInstance.Owner', true],
    ['TargetInstance.Owner < PreviousInstance.Owner', false],
    ["TargetInstance.DisplayName LIKE 'a%'", true],
    ["__CLASS = '__InstanceModificationEvent'", true],
    ["TargetInstance.__CLASS <> 'BitsClientJob'", false],
    ['TargetInstance.__RELPATH = PreviousInstance.__RELPATH', true],
    ['TargetInstance.__RELPATH <> PreviousInstance.__CLASS', true],
    ['TIME_CREATED > 100', true],
    ['NOT (TargetInstance.State = 5 OR TargetInstance.State = 6)', false],
    ["PreviousInstance ISA 'BitsClientJob'", true],
  ])('WHERE %s: %s', (condition, expected) => {
    const query = modification(`${ofJobs} AND ${condition}`);
    const given = event(
      'Modification',
      job({ State: 5, DisplayName: 'A b', Owner: null }),
      job({ State: 2, DisplayName: 'a B', Owner: 'S-1-5-20' }),
    );
    expect(query.select(given) !== undefined).toBe(expected);
  });

  it('gives what was selected, in the order of the class', () => {
    const query = prepare(`SELECT targetinstance FROM __InstanceCreationEvent WITHIN 1 WHERE ${ofJobs}`);
    const given = query.select(event('Creation', job({ State: 1 })));
    expect([...(given?.properties.keys() ?? [])]).toEqual(['TargetInstance']);
  });

  it('gives a query or a CIM error for any text', () => {
    const words = ['SELECT', '*', 'FROM', '__InstanceModificationEvent', 'WITHIN', '1', 'WHERE', 'TargetInstance'];
    const more = ['ISA', "'BitsClientJob'", 'AND', 'OR', 'NOT', '(', ')', '=', 'TargetInstance.State', 'GROUP', '\0'];
    const text = fc.array(fc.constantFrom(...words, ...more), { maxLength: 20 }).map((parts) => parts.join(' '));
    fc.assert(
      fc.property(fc.oneof(fc.string(), text), (query) => {
        try {
          prepare(query);
        } catch (error) {
          expect(isCarmineError(error) && error.hresult !== undefined).toBe(true);
        }
      }),
    );
  });
});

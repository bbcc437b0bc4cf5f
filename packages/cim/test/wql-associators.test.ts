import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { bitsNamespace, createDispatcher } from '../src/index.ts';
import { parseAssociators } from '../src/wql-associators.ts';
import { administrator, collect, job, recorder, stub } from './support.ts';

const path = `BitsClientJob.JobId="${job.jobId}"`;

describe('parseAssociators', () => {
  it.each([
    [`ASSOCIATORS OF {${path}}`, { kind: 'associators', path, schemaOnly: false, classes: [] }],
    [`  references\tof { ${path} } `, { kind: 'references', path, schemaOnly: false, classes: [] }],
    [
      'associators of {BitsClientJob} where SchemaOnly',
      { kind: 'associators', path: 'BitsClientJob', schemaOnly: true, classes: [] },
    ],
    [
      `ASSOCIATORS OF {C.k='}'} WHERE AssocClass = A ResultClass="R" Role=x ResultRole = y RequiredQualifier=q RequiredAssocQualifier=p ClassDefsOnly`,
      { kind: 'associators', path: "C.k='}'", schemaOnly: false, classes: ['A', 'R'] },
    ],
  ])('%s', (text, expected) => {
    expect(parseAssociators(text)).toEqual(expected);
  });

  it('leaves other queries alone', () => {
    for (const text of ['SELECT * FROM C', 'associatorsof {C}', '']) expect(parseAssociators(text)).toBeUndefined();
  });

  it.each([
    ['ASSOCIATORS OF C', 16],
    ['ASSOCIATORS OF {C', 16],
    ['ASSOCIATORS OF {C} AND', 20],
    ['ASSOCIATORS OF {C} WHERE', 25],
    ['ASSOCIATORS OF {C} WHERE Nothing = x', 26],
    ['ASSOCIATORS OF {C} WHERE Role', 30],
    ['ASSOCIATORS OF {C} WHERE Role = 1', 31],
    ['ASSOCIATORS OF {C} WHERE Role = x role = y', 35],
    ['REFERENCES OF {C} WHERE AssocClass = x', 25],
  ])('%s: character %i', (text, position) => {
    expect(() => parseAssociators(text)).toThrow(
      expect.objectContaining({ code: 'cim/invalid-query', context: expect.objectContaining({ position }) as object }),
    );
  });
});

describe('association queries', () => {
  const run = (provider: object, query: string) =>
    collect(
      createDispatcher({ providers: { jobs: provider as never } })
        .session(administrator)
        .executeQuery(bitsNamespace, query),
    );

  it('find nothing for an object that exists, of which the provider is asked', async () => {
    const { provider, calls } = recorder({ getJob: job });
    expect(await run(provider, `ASSOCIATORS OF {${path}}`)).toEqual([]);
    expect(await run(provider, `references of {\\\\.\\ROOT\\microsoft\\bits:${path}} WHERE Role=x`)).toEqual([]);
    expect(calls.map(([name]) => name)).toEqual(['getJob', 'getJob']);
    expect(await run(stub(), 'ASSOCIATORS OF {BitsClientJob} WHERE SchemaOnly')).toEqual([]);
  });

  it.each([
    ['cim/not-found', `ASSOCIATORS OF {${path}}`],
    ['cim/invalid-class', 'ASSOCIATORS OF {Nothing.k=1}'],
    ['cim/invalid-class', `ASSOCIATORS OF {${path}} WHERE AssocClass=Nothing`],
    ['cim/missing-keys', 'ASSOCIATORS OF {BitsClientJob}'],
    ['cim/unexpected-keys', 'ASSOCIATORS OF {BitsClientJob.State=1}'],
    ['cim/invalid-object-path', 'ASSOCIATORS OF {Bits ClientJob}'],
    ['cim/invalid-namespace', `ASSOCIATORS OF {root\\cimv2:${path}}`],
    ['cim/invalid-query', 'ASSOCIATORS OF {'],
    ['cim/not-supported', 'ASSOCIATORS OF {BitsClientFile}'],
  ])('%s: %s', async (code, query) => {
    const { provider } = recorder({ getJob: new CarmineError('job/not-found', { context: { jobId: 'x' } }) });
    await expect(run(provider, query)).rejects.toMatchObject({ code });
  });

  it('are for those who may read the object', async () => {
    const refused = createDispatcher({ providers: { jobs: stub() as never } }).session();
    await expect(collect(refused.executeQuery(bitsNamespace, `ASSOCIATORS OF {${path}}`))).rejects.toMatchObject({
      code: 'auth/access-denied',
    });
  });
});

it('a query that is well-formed but wrong is told where', async () => {
  const query = `SELECT JobId FROM BitsClientJob WHERE DisplayName = 'Nothing' AND Nothing = 1`;
  await expect(run(query)).rejects.toMatchObject({ context: { position: query.lastIndexOf('Nothing') + 1 } });
  await expect(run('SELECT JobId, nope FROM BitsClientJob')).rejects.toMatchObject({ context: { position: 15 } });
  function run(text: string) {
    return collect(
      createDispatcher({ providers: { jobs: stub() as never } })
        .session(administrator)
        .executeQuery(bitsNamespace, text),
    );
  }
});

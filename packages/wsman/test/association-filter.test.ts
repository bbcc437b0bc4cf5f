import { describe, expect, it } from 'vitest';
import { readFault } from '../src/client/read-fault.ts';
import { anonymous, dmtf, enumeration, envelope, testServer, wmi, wql } from './support.ts';

const dialect = 'http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter';
const object = (jobId: string, uri = `${dmtf}/BitsClientJob`) =>
  `<a:Address>${anonymous}</a:Address><a:ReferenceParameters><w:ResourceURI>${uri}</w:ResourceURI><w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector><w:Selector Name="JobId">${jobId}</w:Selector></w:SelectorSet></a:ReferenceParameters>`;

async function withJob() {
  const test = testServer();
  const jobId = await test.jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x' });
  const ask = (filter: string, uri = 'http://schemas.dmtf.org/wbem/wscim/1/*') =>
    test.send(
      envelope({
        uri,
        selectors: { __cimnamespace: 'root/microsoft/bits' },
        action: `${enumeration}/Enumerate`,
        body: `<n:Enumerate><w:OptimizeEnumeration/>${filter}</n:Enumerate>`,
      }),
    );
  const associated = (inner: string, name = 'AssociatedInstances') =>
    ask(
      `<w:Filter Dialect="${dialect}"><b:${name} xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd">${inner}</b:${name}></w:Filter>`,
    );
  return { jobId, ask, associated };
}
const nothing =
  '<n:EnumerateResponse><n:EnumerationContext/><w:Items></w:Items><w:EndOfSequence/></n:EnumerateResponse>';

describe('the association filter (DSP0227 section 8.2)', () => {
  it.each(['AssociatedInstances', 'AssociationInstances'])('%s of a job: none', async (name) => {
    const { jobId, associated } = await withJob();
    expect((await associated(`<b:Object>${object(jobId)}</b:Object>`, name)).text).toContain(nothing);
    const wrapped = `<b:Object><a:EndpointReference>${object(jobId, `${wmi}/BitsClientJob`)}</a:EndpointReference></b:Object><b:Role>x</b:Role>`;
    expect((await associated(wrapped, name)).text).toContain(nothing);
  });

  it('tells what does not exist', async () => {
    const { jobId, associated } = await withJob();
    const faultOf = async (inner: string) => readFault((await associated(inner)).body!).name;
    expect(await faultOf(`<b:Object>${object('{x}')}</b:Object>`)).toBe('resourceNotFound');
    expect(await faultOf(`<b:Object>${object(jobId, `${dmtf}/Nothing`)}</b:Object>`)).toBe('resourceNotFound');
    expect(await faultOf(`<b:Object>${object(jobId)}</b:Object><b:ResultClassName>Nothing</b:ResultClassName>`)).toBe(
      'cannotProcessFilter',
    );
    expect(await faultOf('<b:Object/>')).toBe('invalidResourceUri');
  });

  it('has the same answer in WQL', async () => {
    const { jobId, ask } = await withJob();
    for (const kind of ['ASSOCIATORS', 'references']) {
      const query = `${kind} OF {BitsClientJob.JobId="${jobId}"}`;
      expect((await ask(`<w:Filter Dialect="${wql}">${query}</w:Filter>`, `${wmi}/*`)).text).toContain(nothing);
    }
  });
});

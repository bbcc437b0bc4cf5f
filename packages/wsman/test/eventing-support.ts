import { readFault } from '../src/client/read-fault.ts';
import type { FaultName } from '../src/protocol/faults.ts';
import { child, type XmlElement } from '../src/xml/element.ts';
import { type Answer, enumeration, type RequestParts, wmi, wql } from './support.ts';

export const e = 'http://schemas.xmlsoap.org/ws/2004/08/eventing';
export const w = 'http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd';
export const modes = 'http://schemas.dmtf.org/wbem/wsman/1/wsman';
export const query = "SELECT * FROM __InstanceOperationEvent WITHIN 1 WHERE TargetInstance ISA 'BitsClientJob'";
export const filter = `<w:Filter Dialect="${wql}">${query}</w:Filter>`;
export const delivery = (inner = '', mode = `${modes}/Pull`) => `<e:Delivery Mode="${mode}">${inner}</e:Delivery>`;
export const subscribe = (inner = delivery() + filter, more: RequestParts = {}): RequestParts => ({
  action: `${e}/Subscribe`,
  uri: `${wmi}/*`,
  body: `<e:Subscribe xmlns:e="${e}">${inner}</e:Subscribe>`,
  ...more,
});
export const about = (name: string, id: string, inner = ''): RequestParts => ({
  action: `${e}/${name}`,
  uri: `${wmi}/*`,
  headers: `<e:Identifier xmlns:e="${e}">${id}</e:Identifier>`,
  body: `<e:${name} xmlns:e="${e}">${inner}</e:${name}>`,
});
export const pull = (context: string, inner = '<n:MaxElements>10</n:MaxElements>', headers = ''): RequestParts => ({
  action: `${enumeration}/Pull`,
  uri: `${wmi}/*`,
  headers,
  body: `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext>${inner}</n:Pull>`,
});
export function textOf(element: XmlElement | undefined, ...path: string[]): string {
  let at = element;
  for (const step of path) {
    const [uri = '', local = ''] = step.split('|');
    at = child(at, uri, local);
  }
  return at?.text ?? '';
}
export const faultOf = (answer: Answer): FaultName | 'none' =>
  answer.body?.local === 'Fault' ? readFault(answer.body).name : 'none';

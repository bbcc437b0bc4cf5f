import { type Fault, type FaultName, findFault } from '../protocol/faults.ts';
import { faultDetailBase, namespaces } from '../protocol/names.ts';
import { attribute, child, parseQName, type XmlElement } from '../xml/element.ts';

/** Reads an s:Fault of any server (spec: sections 11.1, 11.2, 11.4); what does not fit the table is an internalError. */
export function readFault(fault: XmlElement): Fault {
  const codeElement = child(fault, namespaces.s, 'Code');
  const value = qualified(child(codeElement, namespaces.s, 'Value'));
  const subcode = qualified(child(child(codeElement, namespaces.s, 'Subcode'), namespaces.s, 'Value'));
  const detail = child(fault, namespaces.s, 'Detail');
  const detailUri = child(detail, namespaces.w, 'FaultDetail')?.text.trim() ?? '';
  const detailName = detailUri.startsWith(faultDetailBase) ? detailUri.slice(faultDetailBase.length) : '';
  const outer = detail?.children.find((item) => item.local === 'WSManFault');
  const code = outer === undefined ? undefined : readCode(outer);
  const name: FaultName = findFault(value ?? '', subcode, detailName, code) ?? 'internalError';
  const reason = child(child(fault, namespaces.s, 'Reason'), namespaces.s, 'Text')?.text.trim();
  return { name, code, hresult: detail === undefined ? undefined : readHresult(detail, outer), text: reason ?? '' };
}

/** QNames in content, with the prefix that our table has for their namespace. */
function qualified(element: XmlElement | undefined): string | undefined {
  if (element === undefined) return undefined;
  const { uri, local } = parseQName(element.scope, element.text);
  const prefix = prefixes.get(uri);
  return prefix === undefined ? undefined : `${prefix}:${local}`;
}

/**
 * The provider's own code: the innermost WSManFault (form A), error_Code or MessageID of MSFT_WmiError (form B), or the
 * MI result of OMI.
 */
function readHresult(detail: XmlElement, outer: XmlElement | undefined): number | undefined {
  const cimError = detail.children.find((item) => item.local.endsWith('_WmiError') || item.local === 'OMI_Error');
  if (cimError !== undefined) {
    const text = (name: string): string =>
      cimError.children.find((item) => item.local.toLowerCase() === name)?.text.trim() ?? '';
    if (/^\d{1,10}$/.test(text('error_code')) && Number(text('error_code')) > 0)
      return Number(text('error_code')) >>> 0;
    const hresult = /^HRESULT 0x([0-9a-f]{1,8})$/i.exec(text('messageid'));
    if (hresult !== null) return Number.parseInt(hresult[1]!, 16);
    const result = /^OMI:MI_Result:(\d{1,2})$/.exec(text('messageid'))?.[1] ?? text('cimstatuscode');
    return hresultOfStatus.get(Number(result));
  }
  if (outer === undefined) return undefined;
  const code = readCode(innermost(outer));
  // Codes of the WS-Management facility (0x8033) say nothing that the fault does not.
  return code === undefined || code < 0x8000_0000 || code >>> 16 === 0x8033 ? undefined : code;
}

/** Depth is bounded by the XML limits. */
function innermost(fault: XmlElement): XmlElement {
  for (const item of fault.children) {
    const found = item.local === 'WSManFault' ? item : innermostIn(item);
    if (found !== undefined) return innermost(found);
  }
  return fault;
}

function innermostIn(element: XmlElement): XmlElement | undefined {
  for (const item of element.children) {
    const found = item.local === 'WSManFault' ? item : innermostIn(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function readCode(fault: XmlElement): number | undefined {
  const text = attribute(fault, '', 'Code')?.trim() ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

const prefixes = new Map<string, string>(
  (['s', 'a', 'x', 'e', 'n', 'w', 'b'] as const).map((prefix) => [namespaces[prefix], prefix]),
);

/** CIM status codes (DSP0200) as WBEM_E_* values. */
const hresultOfStatus = new Map<number, number>([
  [1, 0x80041001],
  [2, 0x80041003],
  [3, 0x8004100e],
  [4, 0x80041008],
  [5, 0x80041010],
  [6, 0x80041002],
  [7, 0x8004100c],
  [11, 0x80041019],
  [12, 0x8004103a],
  [13, 0x80041005],
  [14, 0x80041018],
  [15, 0x80041017],
  [16, 0x8004102e],
  [17, 0x8004102e],
]);

import { CarmineError, isCarmineError } from '@carmine/errors';
import { parseContentType } from '../protocol/content-type.ts';
import { readEnvelope } from '../protocol/envelope.ts';
import { errorFromFault } from '../protocol/fault-mapping.ts';
import { namespaces } from '../protocol/names.ts';
import type { XmlElement } from '../xml/element.ts';
import { decodeText } from '../xml/encoding.ts';
import { responseLimits } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import { readFault } from './read-fault.ts';
import type { ExchangeResponse } from './types.ts';

/**
 * The child of s:Body, whatever it is called; undefined when there is none. A fault is thrown as the error it stands
 * for, and so are `auth/failed` (401), `wsman/http`, `wsman/malformed` and `wsman/unexpected`.
 * Faults come with 500, from openwsmand also with 400 and 503; the reason phrase means nothing (spec: section 2.2).
 */
export function readResponse(
  response: ExchangeResponse,
  messageId: string | undefined,
  milliseconds: number,
): XmlElement | undefined {
  const { status, body } = response;
  if (status === 401) throw new CarmineError('auth/failed');
  const contentType = parseContentType(response.contentType);
  const mayBeSoap = status === 200 || status === 400 || status === 500 || status === 503;
  if (
    !mayBeSoap ||
    body.length === 0 ||
    !/^(application\/soap\+xml|application\/xml|text\/xml)$/.test(contentType.mediaType)
  )
    throw new CarmineError('wsman/http', { context: { status } });
  if (body.length > responseLimits.octets)
    throw new CarmineError('wire/limit', {
      context: { what: 'response', actual: body.length, limit: responseLimits.octets },
    });
  const { headers, content } = parse(body, contentType.charset);
  if (content !== undefined && content.local === 'Fault' && content.uri === namespaces.s)
    throw errorFromFault(readFault(content), milliseconds);
  if (status !== 200) throw new CarmineError('wsman/http', { context: { status } });
  const relatesTo = headers.find((header) => header.local === 'RelatesTo' && header.uri === namespaces.a)?.text.trim();
  if (messageId !== undefined && relatesTo !== undefined && relatesTo !== messageId)
    throw new CarmineError('wsman/unexpected', { context: { reason: 'an answer to another message' } });
  return content;
}

function parse(body: Uint8Array, charset: string | undefined) {
  try {
    return readEnvelope(parseXml(decodeText(body, charset).text, responseLimits));
  } catch (error) {
    if (!isCarmineError(error, 'wsman/fault')) throw error;
    throw new CarmineError('wsman/malformed', { context: { reason: 'not a SOAP 1.2 envelope' }, cause: error });
  }
}

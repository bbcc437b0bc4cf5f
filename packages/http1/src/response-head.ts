/** Fields of an answer, in their order. */
export type ResponseFields = readonly (readonly [name: string, value: string])[];

/** Fields that many answers have in common, looked at and written once. */
export interface PreparedFields {
  /** Whole lines. */
  readonly lines: string;
}

/** @throws RangeError when a value would end its line: such text never comes from a peer unchecked. */
export function prepareFields(fields: ResponseFields): PreparedFields {
  let lines = '';
  for (const [name, value] of fields) {
    if (breaksLine.test(value)) throw new RangeError(`a line end in the field ${name}`);
    lines += `${name}: ${value}\r\n`;
  }
  return { lines };
}

/**
 * The head of an answer, one character for each octet, with `Date` and the empty line.
 *
 * @param date as `IMF-fixdate` (RFC 9110 section 5.6.7).
 * @param before, after of `fields`.
 * @throws RangeError as `prepareFields` does.
 */
export function responseHead(
  status: number,
  fields: ResponseFields,
  date: string,
  before: PreparedFields = none,
  after: PreparedFields = none,
): string {
  const { lines } = prepareFields(fields);
  return `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${before.lines}${lines}${after.lines}Date: ${date}\r\n\r\n`;
}

const none: PreparedFields = { lines: '' };

/** RFC 9110 section 15; the class' own text for others. */
export function reasonOf(status: number): string {
  return reasons[status] ?? (status < 400 ? 'OK' : 'Error');
}

const breaksLine = /[\r\n\0]|[^\x00-\xff]/;
const reasons: Readonly<Record<number, string>> = {
  100: 'Continue',
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

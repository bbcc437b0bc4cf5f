import {
  file,
  invalid,
  keepsChanging,
  type Misbehaviour,
  noRanges,
  or,
  otherLength,
  refusedByProxy,
  refusedLogon,
  spoil,
  status,
  transientStatus,
} from '../misbehaviour.ts';

/** Page *Handling Server Application Errors*: 300–305, 307, 4xx but 408 and 409, 501 and 505 are fatal. */
const fatalStatuses = [
  300, 304, 305, 400, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 417, 418, 421, 422, 425, 426, 428, 429, 431,
  449, 451, 499, 501, 505,
];
const transientStatuses = [
  202, 203, 204, 205, 207, 226, 299, 306, 310, 399, 408, 409, 500, 502, 503, 504, 506, 507, 508, 511, 599,
];

export const statuses: readonly Misbehaviour[] = [
  ...fatalStatuses.map((number) => ({
    name: `${number} to every GET`,
    script: spoil('get', (reply) => reply.as(number)),
    outcome: status(number),
  })),
  ...transientStatuses.map((number) => ({
    name: `${number} to every GET`,
    script: spoil('get', (reply) => reply.as(number)),
    outcome: transientStatus(number),
  })),
  ...['2', '20', '2000', '099', '000', '-200', '2OO', '0x C8', '+200', ' 200'].map((text) => ({
    name: `status "${text}"`,
    script: spoil('get', (reply) => Object.assign(reply, { status: text })),
    outcome: invalid,
  })),
  {
    name: '600 to every GET',
    script: spoil('get', (reply) => reply.as(600)),
    outcome: or(transientStatus(600), invalid),
  },
  {
    name: '999 to every GET',
    script: spoil('get', (reply) => reply.as(999)),
    outcome: or(transientStatus(999), invalid),
  },
  { name: '401 without a challenge', script: spoil('all', (reply) => reply.as(401)), outcome: refusedLogon },
  { name: '407 from no proxy', script: spoil('all', (reply) => reply.as(407)), outcome: refusedByProxy },
  { name: '403 to HEAD', script: spoil('head', (reply) => reply.as(403)), outcome: status(403) },
  { name: '404 to HEAD', script: spoil('head', (reply) => reply.as(404)), outcome: status(404) },
  { name: '405 to HEAD', script: spoil('head', (reply) => reply.as(405)), outcome: file('a') },
  { name: '501 to HEAD', script: spoil('head', (reply) => reply.as(501)), outcome: file('a') },
  {
    name: '206 to HEAD',
    script: spoil('head', (reply) => Object.assign(reply, { status: '206' })),
    outcome: invalid,
  },
  { name: '503 to HEAD', script: spoil('head', (reply) => reply.as(503)), outcome: transientStatus(503) },
  ...[
    '1',
    '3600',
    '-5',
    'soon',
    '99999999999999999999',
    'Thu, 01 Jan 1970 00:00:00 GMT',
    'Thu, 01 Jan 2099 00:00:00 GMT',
  ].map((after) => ({
    name: `503 for ever, Retry-After: ${after}`,
    script: spoil('get', (reply) => reply.as(503).add('Retry-After', after)),
    outcome: transientStatus(503),
  })),
  { name: '412 to the first GET', script: spoil('first', (reply) => reply.as(412)), outcome: file('a') },
  { name: '412 to every GET', script: spoil('get', (reply) => reply.as(412)), outcome: keepsChanging },
  { name: '416 to the first GET', script: spoil('first', (reply) => reply.as(416)), outcome: file('a') },
  { name: '416 to every GET', script: spoil('get', (reply) => reply.as(416)), outcome: keepsChanging },
  { name: '200 to every range', script: ignoresRanges('get'), way: 'ranges', outcome: or(noRanges, file('a')) },
  { name: '200 to every range but the first', script: ignoresRanges('later'), way: 'ranges', outcome: noRanges },
  {
    name: '200 with another length',
    plausible: true,
    script: spoil('get', (reply, _asked, { a }) => reply.as(200, a.content.subarray(0, a.content.length - 1))),
    outcome: otherLength,
  },
  {
    name: '200 with another length to later ranges',
    script: spoil('later', (reply, _asked, { a }) => reply.as(200, Buffer.concat([a.content, a.content]))),
    way: 'ranges',
    outcome: otherLength,
  },
  {
    name: '206 that nobody asked for',
    script: spoil('get', (reply, _asked, { a }) =>
      reply.as(206, a.content).add('Content-Range', `bytes 0-${a.content.length - 1}/${a.content.length}`),
    ),
    way: 'whole',
    outcome: invalid,
  },
  {
    name: '206 with a part that nobody asked for',
    script: spoil('get', (reply, _asked, { a }) =>
      reply.as(206, a.content.subarray(100, 200)).add('Content-Range', `bytes 100-199/${a.content.length}`),
    ),
    way: 'whole',
    outcome: invalid,
  },
];

function ignoresRanges(which: 'get' | 'later') {
  return spoil(which, (reply, _asked, { a }) => reply.as(200, a.content));
}

/** One thing to send to a port, and what may come of it. */
export interface HttpCase {
  readonly name: string;
  /** One character for each octet; `path` is that of something that is there. */
  readonly text: (path: string) => string;
  /**
   * Status of the first answer; `good`: what a plain GET gets at that port; `none`: the connection ends without an answer.
   * Several: any of them.
   */
  readonly first: readonly Expected[];
  /** Answers at most: what is smuggled is never answered. */
  readonly most: number;
  /** Octets of all bodies at most, in files; 1 unless said otherwise. */
  readonly files?: number;
}

export type Expected = number | 'good' | 'none';

const host = 'Host: x\r\n';
/** What follows in the octets of a message that must end the connection: it must never be answered. */
const smuggled = (path: string) => `GET ${path}?smuggled HTTP/1.1\r\n${host}\r\n`;

const refused = (name: string, text: (path: string) => string, first: readonly Expected[] = [400]): HttpCase => ({
  name,
  text: (path) => text(path) + smuggled(path),
  first,
  most: 1,
});
const good = (name: string, text: (path: string) => string): HttpCase => ({ name, text, first: ['good'], most: 1 });

const line = (path: string, ...fields: string[]) =>
  `GET ${path} HTTP/1.1\r\n${host}${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const show = (text: string) => JSON.stringify(text).slice(1, -1);

export const corpus: readonly HttpCase[] = [
  ...controls(),
  ...highOctets(),
  ...contentLengths(),
  ...transferEncodings(),
  ...both(),
  ...chunks(),
  ...lineEnds(),
  ...requestLines(),
  ...hosts(),
  ...blanks(),
  ...options(),
  ...sizes(),
  ...ranges(),
  ...targets(),
];

function controls(): HttpCase[] {
  const cases: HttpCase[] = [];
  for (const code of [...Array.from({ length: 32 }, (_, index) => index), 127]) {
    const octet = String.fromCharCode(code);
    const name = code.toString(16).padStart(2, '0');
    cases.push(refused(`0x${name} in the method`, (path) => `G${octet}T ${path} HTTP/1.1\r\n${host}\r\n`));
    cases.push(refused(`0x${name} in the target`, (path) => `GET ${path}${octet}a HTTP/1.1\r\n${host}\r\n`));
    cases.push(refused(`0x${name} in the version`, (path) => `GET ${path} HTTP/1.1${octet}\r\n${host}\r\n`));
    cases.push(refused(`0x${name} in a name`, (path) => line(path, `A${octet}B: c`)));
    if (code === 9) cases.push(good('a tab in a value', (path) => line(path, 'A: b\tc')));
    else cases.push(refused(`0x${name} in a value`, (path) => line(path, `A: b${octet}c`)));
    // CR and LF are a chunk's own.
    if (code !== 13 && code !== 10 && code !== 9)
      cases.push(
        chunkCase(`0x${name} in a chunk extension`, `1;a${octet}\r\nx\r\n0\r\n\r\n`),
        chunkCase(`0x${name} in a trailer`, `1\r\nx\r\n0\r\nA: b${octet}\r\n\r\n`),
      );
  }
  return cases;
}

function highOctets(): HttpCase[] {
  return [0x80, 0x85, 0xa0, 0xad, 0xc0, 0xe4, 0xff].flatMap((code) => {
    const octet = String.fromCharCode(code);
    const name = code.toString(16);
    return [
      refused(`0x${name} in the target`, (path) => `GET ${path}${octet} HTTP/1.1\r\n${host}\r\n`),
      refused(`0x${name} in a name`, (path) => line(path, `A${octet}: b`)),
      good(`0x${name} in a value`, (path) => line(path, `A: ${octet}`)),
    ];
  });
}

function contentLengths(): HttpCase[] {
  const values = [
    '',
    '+3',
    '-3',
    '3 ',
    '3,',
    ',3',
    '3, 3',
    '3;3',
    '0x3',
    '3.0',
    '3e0',
    '03 3',
    '٣',
    '"3"',
    "'3'",
    '3\t3',
    '3_0',
    'NaN',
    'Infinity',
    '1e999',
    '- 3',
    '++3',
    '3+',
  ];
  // Blanks around a value are none of it; digits may begin with zeros.
  const fine = new Set(['3 ']);
  return [
    ...values
      .filter((value) => !fine.has(value))
      .map((value) =>
        refused(
          `Content-Length: ${show(value)}`,
          (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: ${value.replace('٣', '\xd9\xa3')}\r\n\r\nabc`,
        ),
      ),
    refused(
      'Content-Length twice, the same',
      (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    ),
    refused(
      'Content-Length twice, different',
      (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc`,
    ),
    refused(
      'Content-Length that no number holds',
      (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: ${'9'.repeat(400)}\r\n\r\nabc`,
    ),
    refused(
      'Content-Length past 2^53',
      (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 9007199254740993\r\n\r\nabc`,
      [413],
    ),
    refused(
      'Content-Length past 2^64',
      (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 18446744073709551617\r\n\r\nabc`,
    ),
    {
      ...refused(
        'a body that is shorter than it says',
        (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\nabc`,
      ),
      first: ['none', 401, 405],
    },
    {
      name: 'a body, and a request behind it',
      text: (path) => `GET ${path} HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabc${line(path)}`,
      first: ['good'],
      most: 2,
      files: 2,
    },
  ];
}

function transferEncodings(): HttpCase[] {
  const body = '1\r\nx\r\n0\r\n\r\n';
  const values = [
    'xchunked',
    'chunkedx',
    'chunked chunked',
    'chunked, chunked',
    'chunked,',
    ',chunked',
    'chunked;',
    'chunked;q=1',
    '"chunked"',
    "'chunked'",
    'identity',
    'identity, chunked',
    'gzip',
    'gzip, chunked',
    'chunked, gzip',
    'deflate',
    'compress',
    'x',
    '',
    'chun\xadked',
    'chunked\xa0',
    '\xa0chunked',
    'cHuNkEd\x85',
    'chunked\t,\tidentity',
    'c hunked',
    'chunke',
    '\u212ahunked',
  ];
  const send = (fields: string) => (path: string) => `POST ${path} HTTP/1.1\r\n${host}${fields}\r\n${body}`;
  return [
    ...values.map((value) =>
      refused(
        `Transfer-Encoding: ${show(value)}`,
        send(`Transfer-Encoding: ${value.replace('\u212a', 'K')}\r\n`),
        [400, 501],
      ),
    ),
    refused(
      'Transfer-Encoding twice',
      send('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
      [400, 501],
    ),
    refused(
      'Transfer-Encoding twice, the second is identity',
      send('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'),
      [400, 501],
    ),
    refused('Transfer-Encoding with a blank before its colon', send('Transfer-Encoding : chunked\r\n')),
    refused('Transfer-Encoding on a folded line', send('Transfer-Encoding:\r\n chunked\r\n')),
    // It is another field, so there is no body: what follows is a request, and no good one.
    {
      name: 'Transfer_Encoding and a body',
      text: (path) => `POST ${path} HTTP/1.1\r\n${host}Transfer_Encoding: chunked\r\n\r\n${body}${smuggled(path)}`,
      first: [405, 401, 200],
      most: 2,
    },
    refused(
      'Transfer-Encoding with HTTP/1.0',
      (path) => `POST ${path} HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n${body}`,
    ),
  ];
}

function both(): HttpCase[] {
  const send = (fields: string, body: string) => (path: string) =>
    `POST ${path} HTTP/1.1\r\n${host}${fields}\r\n${body}`;
  const orders = [
    ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    ['Content-Length: 0', 'Transfer-Encoding: chunked'],
    ['content-length: 6', 'transfer-encoding: identity'],
    ['Content-Length: 6', 'Transfer-Encoding: x'],
    ['Content-Length: 6', 'Transfer-Encoding: chunked', 'Content-Length: 6'],
    ['Transfer-Encoding: gzip', 'Content-Length: 6'],
  ];
  return orders.flatMap((fields) => [
    refused(`${fields.join(' + ')}, chunks`, send(fields.map((each) => `${each}\r\n`).join(''), '0\r\n\r\n')),
    refused(`${fields.join(' + ')}, octets`, send(fields.map((each) => `${each}\r\n`).join(''), 'abcdef')),
  ]);
}

/** The body of a POST: the head may be answered before, what follows never. */
function chunkCase(name: string, body: string): HttpCase {
  return refused(
    name,
    (path) => `POST ${path} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${body}`,
    [400, 401, 405],
  );
}

function chunks(): HttpCase[] {
  const bodies: Readonly<Record<string, string>> = {
    'a size that is no number': 'g\r\n',
    'no size': '\r\nx\r\n0\r\n\r\n',
    'a size with a sign': '+1\r\nx\r\n0\r\n\r\n',
    'a negative size': '-1\r\nx\r\n0\r\n\r\n',
    'a size with 0x': '0x1\r\nx\r\n0\r\n\r\n',
    'a size in blanks': ' 1\r\nx\r\n0\r\n\r\n',
    'a size of nine digits': '000000001\r\nx\r\n0\r\n\r\n',
    'a size past 2^32': '100000001\r\nx\r\n0\r\n\r\n',
    'a size past 2^64': '10000000000000001\r\nx\r\n0\r\n\r\n',
    'a size with a dot': '1.\r\nx\r\n0\r\n\r\n',
    'a size with an underscore': '1_0\r\nx\r\n0\r\n\r\n',
    'LF behind a size': '1\nx\r\n0\r\n\r\n',
    'CR CR LF behind a size': '1\r\r\nx\r\n0\r\n\r\n',
    'LF behind the content': '1\r\nx\n0\r\n\r\n',
    'nothing behind the content': '1\r\nx0\r\n\r\n',
    'content that is longer than its size': '1\r\nxy\r\n0\r\n\r\n',
    'content that is shorter than its size': '3\r\nx\r\n0\r\n\r\n',
    'LF at the end': '1\r\nx\r\n0\r\n\n',
    'a trailer on a folded line': '0\r\nA: b\r\n c\r\n\r\n',
    'a trailer that begins with a blank': '0\r\n A: b\r\n\r\n',
    'trailers of 8 KiB': `0\r\nA: ${'b'.repeat(8192)}\r\n\r\n`,
    'an extension of 8 KiB': `1;${'e'.repeat(8192)}\r\nx\r\n0\r\n\r\n`,
    'many small extensions': `${'1;eeeeeeee\r\nx\r\n'.repeat(1000)}0\r\n\r\n`,
  };
  return Object.entries(bodies).map(([name, body]) => chunkCase(name, body));
}

function lineEnds(): HttpCase[] {
  return [
    refused('LF everywhere', (path) => `GET ${path} HTTP/1.1\nHost: x\n\n`),
    refused('LF behind the request line', (path) => `GET ${path} HTTP/1.1\nHost: x\r\n\r\n`),
    refused('LF behind a field', (path) => `GET ${path} HTTP/1.1\r\nHost: x\nA: b\r\n\r\n`),
    refused('LF for the empty line', (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\n`),
    refused('CR everywhere', (path) => `GET ${path} HTTP/1.1\rHost: x\r\r`),
    refused('CR CR LF', (path) => `GET ${path} HTTP/1.1\r\r\nHost: x\r\r\n\r\r\n`),
    refused('LF CR', (path) => `GET ${path} HTTP/1.1\n\rHost: x\n\r\n\r`),
    refused('two empty lines before', (path) => `\r\n\r\nGET ${path} HTTP/1.1\r\n${host}\r\n`),
    good('an empty line before', (path) => `\r\n${line(path)}`),
    refused('LF before', (path) => `\n${line(path)}`),
  ];
}

function requestLines(): HttpCase[] {
  const lines: Readonly<Record<string, (path: string) => string>> = {
    'two blanks': (path) => `GET  ${path} HTTP/1.1`,
    'two blanks before the version': (path) => `GET ${path}  HTTP/1.1`,
    'a blank at the end': (path) => `GET ${path} HTTP/1.1 `,
    'a blank before': (path) => ` GET ${path} HTTP/1.1`,
    'a tab for a blank': (path) => `GET\t${path}\tHTTP/1.1`,
    'no version': (path) => `GET ${path}`,
    'no target': () => 'GET HTTP/1.1',
    'an empty target': () => 'GET  HTTP/1.1',
    'no method': (path) => `${path} HTTP/1.1`,
    'a quoted method': (path) => `"GET" ${path} HTTP/1.1`,
    'a method with a colon': (path) => `GE:T ${path} HTTP/1.1`,
    'http in small letters': (path) => `GET ${path} http/1.1`,
    'HTTP/1': (path) => `GET ${path} HTTP/1`,
    'HTTP/1.': (path) => `GET ${path} HTTP/1.`,
    'HTTP/1.01': (path) => `GET ${path} HTTP/1.01`,
    'HTTP/01.1': (path) => `GET ${path} HTTP/01.1`,
    'HTTP/1.1x': (path) => `GET ${path} HTTP/1.1x`,
    'HTTPS/1.1': (path) => `GET ${path} HTTPS/1.1`,
    'HTTP /1.1': (path) => `GET ${path} HTTP /1.1`,
  };
  return [
    ...Object.entries(lines).map(([name, text]) =>
      refused(`a request line with ${name}`, (path) => `${text(path)}\r\n${host}\r\n`),
    ),
    ...['HTTP/1.2', 'HTTP/1.9', 'HTTP/2.0', 'HTTP/3.0', 'HTTP/0.9', 'HTTP/9.9'].map((version) =>
      refused(version, (path) => `GET ${path} ${version}\r\n${host}\r\n`, [505]),
    ),
    refused('HTTP/2 with prior knowledge', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [505]),
    refused('TLS on a plain port', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
    refused('SOCKS', () => '\x05\x01\x00'),
    refused('nothing but NULs', () => '\0'.repeat(1000)),
    { name: 'nothing', text: () => '', first: ['none'], most: 0 },
    { name: 'half a head', text: (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n`, first: ['none'], most: 0 },
    {
      name: 'HTTP/1.0 and more',
      text: (path) => `GET ${path} HTTP/1.0\r\n\r\n${smuggled(path)}`,
      first: ['good'],
      most: 1,
    },
    { name: 'fifty at once', text: (path) => line(`${path}?x`).repeat(50), first: ['good'], most: 50, files: 50 },
  ];
}

function hosts(): HttpCase[] {
  const bad = [
    'a b',
    'a/b',
    'a\\b',
    'a?b',
    'a#b',
    'a@b',
    'http://a',
    '[::1',
    '::1',
    'a:b',
    'a:80:80',
    'a:-1',
    'a:123456',
    '<a>',
    '"a"',
    'a\xe4',
    '[::1]x',
    '{a}',
    'a|b',
    '^',
  ];
  return [
    ...bad.map((value) => refused(`Host: ${show(value)}`, (path) => `GET ${path} HTTP/1.1\r\nHost: ${value}\r\n\r\n`)),
    refused('no Host', (path) => `GET ${path} HTTP/1.1\r\n\r\n`),
    refused('Host twice', (path) => line(path, 'Host: x')),
    refused('Host twice, different', (path) => line(path, 'hOST: y')),
    ...['x:80', '[::1]', '[::1]:80', 'a.b.c', 'a,b', '127.0.0.1', 'x:', ''].map((value) =>
      good(`Host: ${show(value)}`, (path) => `GET ${path} HTTP/1.1\r\nHost: ${value}\r\n\r\n`),
    ),
  ];
}

function blanks(): HttpCase[] {
  return [
    refused('a blank before a colon', (path) => line(path, 'A : b')),
    refused('a tab before a colon', (path) => line(path, 'A\t: b')),
    refused('a folded line', (path) => line(path, 'A: b', ' c')),
    refused('a line folded with a tab', (path) => line(path, 'A: b', '\tc')),
    refused('a first field that is folded', (path) => `GET ${path} HTTP/1.1\r\n A: b\r\n${host}\r\n`),
    refused('a field without a name', (path) => line(path, ': b')),
    refused('a field without a colon', (path) => line(path, 'A')),
    refused('a name in brackets', (path) => line(path, '(A): b')),
    refused('a name with a slash', (path) => line(path, 'A/B: c')),
    refused('a name in quotes', (path) => line(path, '"A": b')),
    good('blanks around a value', (path) => line(path, 'A: \t b \t ')),
    good('no value', (path) => line(path, 'A:')),
    good('a name of digits', (path) => line(path, '123: b')),
    good('a name of what tokens may have', (path) => line(path, "!#$%&'*+-.^_`|~: b")),
  ];
}

function options(): HttpCase[] {
  return [
    ...['', 'something', '100', '100-continue, x', '100-continue;x=1', '200-ok'].map((value) =>
      refused(
        `Expect: ${show(value)}`,
        (path) => `POST ${path} HTTP/1.1\r\n${host}Expect: ${value}\r\nContent-Length: 3\r\n\r\nabc`,
        [417],
      ),
    ),
    {
      ...refused(
        'Expect and a body that comes all the same',
        (path) => `POST ${path} HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
      ),
      first: [405, 401],
      most: 2,
    },
    ...['close', 'Close', 'keep-alive, close', 'x, close, y', 'close,'].map((value) => ({
      name: `Connection: ${value}`,
      text: (path: string) => line(path, `Connection: ${value}`) + smuggled(path),
      first: ['good'] as const,
      most: 1,
    })),
    good('Upgrade: h2c', (path) =>
      line(path, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'),
    ),
    good('Upgrade: websocket', (path) =>
      line(path, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'),
    ),
    good('TE: trailers', (path) => line(path, 'TE: trailers', 'Connection: TE')),
    good('Connection: Host', (path) => line(path, 'Connection: Host, Authorization')),
    ...[
      'Basic',
      'Basic ',
      'Basic !',
      'NTLM',
      'NTLM !',
      'Negotiate',
      'Negotiate YQ==',
      'Bearer x',
      'x',
      ':',
      'NTLM TlRMTVNTUAADAAAA',
      'Basic Og==',
    ].map((value) => ({
      name: `Authorization: ${value}`,
      text: (path: string) => line(path, `Authorization: ${value}`),
      first: ['good', 401, 400] as const,
      most: 1,
    })),
    {
      name: 'Authorization twice',
      text: (path) => line(path, 'Authorization: NTLM', 'Authorization: Basic YTpi'),
      first: ['good', 401, 400],
      most: 1,
    },
  ];
}

function sizes(): HttpCase[] {
  return [
    refused(
      'a target of 100,000 octets',
      (path) => `GET ${path}?${'x'.repeat(100_000)} HTTP/1.1\r\n${host}\r\n`,
      [414],
    ),
    refused('a target that never ends', (path) => `GET ${path}?${'x'.repeat(1_000_000)}`, [414]),
    refused('a field of 100,000 octets', (path) => line(path, `A: ${'x'.repeat(100_000)}`), [431]),
    refused('a name of 100,000 octets', (path) => line(path, `${'x'.repeat(100_000)}: a`), [431]),
    refused(
      '10,000 fields',
      (path) => line(path, ...Array.from({ length: 10_000 }, (_, index) => `A${index}: b`)),
      [431],
    ),
    refused('200 short fields', (path) => line(path, ...Array.from({ length: 200 }, () => 'A: b')), [431]),
    {
      name: 'a method of 10,000 octets',
      text: (path) => `${'G'.repeat(10_000)} ${path} HTTP/1.1\r\n${host}\r\n`,
      first: [401, 405],
      most: 1,
    },
    refused('a head that never ends', (path) => `GET ${path} HTTP/1.1\r\n${'A: b\r\n'.repeat(200_000)}`, [431]),
    refused(
      'a body of 64 MiB that nobody asked for',
      (path) => `GET ${path} HTTP/1.1\r\n${host}Content-Length: 67108864\r\n\r\n${'x'.repeat(4_000_000)}`,
      ['good', 413],
    ),
  ];
}

function ranges(): HttpCase[] {
  const one = (value: string): HttpCase => ({
    name: `Range: ${value.slice(0, 60)}`,
    text: (path) => line(path, `Range: ${value}`),
    first: ['good', 206, 416],
    most: 1,
  });
  const many = (count: number, part: (index: number) => string) =>
    `bytes=${Array.from({ length: count }, (_, index) => part(index)).join(',')}`;
  return [
    ...[
      'bytes=0-',
      'bytes=-1',
      'bytes=0-0',
      'bytes=1-0',
      'bytes=-0',
      'bytes=',
      'bytes',
      'bytes=-',
      'bytes=a-b',
      'bytes=0-0,',
      'bytes=,0-0',
      'bytes= 0-0',
      'bytes=0 -0',
      'bytes=0- 0',
      'BYTES=0-0',
      'items=0-0',
      'bytes=0-99999999999999999999',
      'bytes=99999999999999999999-',
      'bytes=9007199254740991-9007199254740993',
      'bytes=-99999999999999999999',
      'bytes=0x0-1',
      'bytes=+0-1',
      'bytes=--1',
      'bytes=0-0;1-1',
      'bytes=0-0=1-1',
      'bytes=0-0 1-1',
      'bytes=\xa00-0',
    ].map(one),
    one(many(200, (index) => `${index}-${index}`)),
    one(many(201, (index) => `${index}-${index}`)),
    one(many(1_300, () => '0-')),
    one(many(1_000, (index) => `0-${index}`)),
    one(many(1_300, () => '-1')),
    one(many(900, (index) => `${index}-`)),
    one(many(100, () => '0-1000')),
    one(many(2_000, () => '5-2')),
    {
      name: 'Range twice',
      text: (path) => line(path, 'Range: bytes=0-0', 'Range: bytes=1-1'),
      first: ['good', 206, 416],
      most: 1,
    },
  ];
}

function targets(): HttpCase[] {
  const bad = [
    '/../../../../etc/passwd',
    '/open/../../secret',
    '/open/..%2f..%2fsecret',
    '/open/%2e%2e/%2e%2e/secret',
    '/open/..\\..\\secret',
    '/open/..%5c..%5csecret',
    '/open/%252e%252e%252fsecret',
    '/open//etc/passwd',
    '/open/%00',
    '/open/file%00.txt',
    '/open/.%00./secret',
    '/open/%c0%ae%c0%ae/secret',
    '/open/%uff0e%uff0e/secret',
    '/open/%',
    '/open/%2',
    '/open/%zz',
    '/open/%ff',
    '/open/%f0%28%8c%bc',
    '/open/./file',
    '/open/file/',
    '/open/file/.',
    '/open/x/../file',
    '/open/file:stream',
    '/open/file::$DATA',
    '/open/CON',
    '/open/file.',
    '/open/file%20',
    '/open/%E2%80%AEfile',
    '/open/~root',
    '/open/*',
    '/open/<file>',
    '/open/"file"',
    '/open/file;a=b',
    '/open/file|x',
    '/open',
    '//open/file',
    '/open//file',
    '/%6fpen/../file',
    '*',
    'open/file',
    '?',
    '#',
    'http://x',
    'http:///open/file',
    'http://',
    'ftp://x/open/file',
    'https://x/open/file',
    'http://a@x/open/file',
    'x:80',
    '..',
    '%2fopen%2ffile',
    '\\open\\file',
    `/${'a/'.repeat(3000)}`,
    `/open/${'%41'.repeat(2000)}`,
  ];
  return bad.map((target) => ({
    name: `target ${show(target).slice(0, 60)}`,
    text: () => `GET ${target} HTTP/1.1\r\n${host}\r\n`,
    // 401: nobody learns there what exists. 405: a management port takes no GET.
    first: [400, 401, 404, 405, 414],
    most: 1,
  }));
}

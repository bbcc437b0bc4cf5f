import { CarmineError, isCarmineError, lookUpHresult } from '@carmine/errors';

/** What a person can do about a failure of a command: a machine tells an HRESULT only, the command knows what was asked. */
export function hintFor(words: readonly string[], thrown: unknown): string | undefined {
  const error = CarmineError.from(thrown);
  const { hresult, code } = error;
  const kerberos = kerberosHint(error);
  if (kerberos !== undefined) return kerberos;
  if (hresult === undefined || code.startsWith('usage/') || code.startsWith('configuration/')) return undefined;
  const specific = hints.find(([command, value]) => value === hresult && words.join(' ').startsWith(command));
  return specific?.[2] ?? lookUpHresult(hresult)?.remedy;
}

/** Refusals of Kerberos have no HRESULT: a KDC says them, not the machine. */
function kerberosHint(error: CarmineError): string | undefined {
  if (isCarmineError(error, 'auth/kdc-refused')) return kdcRefusals[Number(error.context.number)];
  if (isCarmineError(error, 'auth/kdc-unreachable'))
    return 'Where KDCs are stands in krb5.conf: that of KRB5_CONFIG, else /etc/krb5.conf.';
  if (isCarmineError(error, 'auth/no-ticket') && error.message.includes('knows no service'))
    return 'Use the name of the machine that its keytab has a key for, as HTTP/NAME; other names of it do not count.';
  return undefined;
}

/** RFC 4120 section 7.5.9. */
const kdcRefusals: Readonly<Record<number, string | undefined>> = {
  12: 'The rules of the realm forbid it: ask its administrator.',
  14: 'The KDC has no AES keys for one of both: its password has to be set anew.',
  18: 'The principal is locked or has expired: ask the administrator of the realm.',
  23: 'The password has expired: kpasswd, then again.',
  32: 'The ticket has expired: kinit again.',
  37: 'The clocks of this machine and of the KDC differ by more than five minutes: set them right.',
};

const accessDenied = 0x8007_0005;
const invalidArgument = 0x8007_0057;
const fileNotFound = 0x8007_0002;
const notFound = 0x8007_0490;

const hints: readonly (readonly [command: string, hresult: number, hint: string])[] = [
  [
    'url create',
    accessDenied,
    'The path must lie below one of the folders in [server] roots, and the agent must be able to read it.',
  ],
  [
    'url create',
    invalidArgument,
    'The suffix is one or more segments without dot segments; the path names a regular file.',
  ],
  ['url create', fileNotFound, 'There is no such file on that machine.'],
  ['url create', 0x8007_00b7, 'The URL is published with another file: delete it first (carmine url delete).'],
  ['url-group create', accessDenied, 'This agent serves https groups only ([server] require_tls).'],
  [
    'url-group create',
    0x8007_2740,
    'Something else listens on that port of the machine, or it serves the other scheme.',
  ],
  ['url-group property', invalidArgument, 'BandwidthLimit is 1024 bytes per second at least.'],
  ['certificate get', notFound, 'The port has no certificate.'],
  ['certificate remove', notFound, 'The port has no certificate.'],
  [
    'job create',
    accessDenied,
    'The path must lie below one of the folders in [client] roots, and the account must be one that this agent can run as.',
  ],
  ['job add-file', accessDenied, 'The path must lie below one of the folders in [client] roots.'],
  ['job create', invalidArgument, 'Check the URL and the path: absolute, without wildcards.'],
  ['copy', accessDenied, 'The source must lie below [server] roots, the destination below [client] roots.'],
  ['copy', fileNotFound, 'There is no such file on the source machine.'],
  ['copy', 0x8019_0193, 'The account that the client logs on with (--fetch-as) may not read the URL.'],
];

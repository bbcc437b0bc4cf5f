import {
  parseUrlPrefix,
  type UrlGroupDetails,
  type UrlGroupExtensions,
  type UrlGroupScheme,
  type UrlTransfer,
  urlGroupProperties,
  urlGroupSchemes,
} from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import { withMachine } from '../connect.ts';
import { transferDocument, transferTable } from '../documents.ts';
import {
  type Call,
  type Command,
  choice,
  flag,
  invalid,
  positional,
  targetOptions,
  text,
  thumbprint,
  wholeNumber,
} from '../options.ts';

const string = { type: 'string' } as const;
const boolean = { type: 'boolean' } as const;
const none = 0xffff_ffff;

/** `carmine url-group …`, `carmine url …`, `carmine certificate …` */
export const urlCommands: readonly Command[] = [
  {
    words: ['url-group', 'create'],
    positionals: ['prefix'],
    options: targetOptions,
    summary: 'create a URL group, e.g. https://+:8443/images',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        // The machine would answer with a number; here the reason is known.
        parseUrlPrefix(positional(call, 'prefix'));
        await urlGroups.createUrlGroup(positional(call, 'prefix'), call);
        const prefix = await urlGroups.getUrlGroup(positional(call, 'prefix'), call);
        call.output.result(prefix, { schema: 'carmine.url-group/1', prefix });
      }),
  },
  {
    words: ['url-group', 'delete'],
    positionals: ['prefix'],
    options: targetOptions,
    summary: 'delete a URL group and its URLs',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        await urlGroups.deleteUrlGroup(positional(call, 'prefix'), call);
        call.output.result('', { schema: 'carmine.url-group/1', prefix: positional(call, 'prefix'), deleted: true });
      }),
  },
  {
    words: ['url-group', 'list'],
    positionals: [],
    options: targetOptions,
    summary: 'list URL groups',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const prefixes: string[] = [];
        for await (const prefix of urlGroups.listUrlGroups(call)) {
          call.output.element({ schema: 'carmine.url-group/1', prefix });
          prefixes.push(prefix);
        }
        if (call.output.format !== 'ndjson')
          call.output.result(prefixes.join('\n'), { schema: 'carmine.url-group-list/1', urlGroups: prefixes });
      }),
  },
  {
    words: ['url-group', 'show'],
    positionals: ['prefix'],
    options: targetOptions,
    summary: 'show the authentication and the limits of a URL group',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const prefix = await urlGroups.getUrlGroup(positional(call, 'prefix'), call);
        const negotiate = await urlGroups.getUrlGroupAuthentication(prefix, 'negotiate', call);
        const ntlm = await urlGroups.getUrlGroupAuthentication(prefix, 'ntlm', call);
        const connectionLimit = await urlGroups.getProperty(prefix, 'ConnectionLimit', call);
        const bandwidthLimit = await urlGroups.getProperty(prefix, 'BandwidthLimit', call);
        const details = await detailsOf(urlGroups, prefix, call);
        const limit = (value: number) => (value === none ? 'none' : String(value));
        call.output.result(
          [
            `prefix           ${prefix}`,
            ...(details === undefined
              ? []
              : [`state            ${details.state}`, `URLs             ${details.urlCount}`]),
            `negotiate        ${negotiate ? 'on' : 'off'}`,
            `ntlm             ${ntlm ? 'on' : 'off'}`,
            `ConnectionLimit  ${limit(connectionLimit)}`,
            `BandwidthLimit   ${limit(bandwidthLimit)}`,
          ].join('\n'),
          {
            schema: 'carmine.url-group/1',
            prefix,
            state: details?.state ?? null,
            urls: details?.urlCount ?? null,
            authentication: { negotiate, ntlm },
            connectionLimit: connectionLimit === none ? null : connectionLimit,
            bandwidthLimit: bandwidthLimit === none ? null : bandwidthLimit,
          },
        );
      }),
  },
  {
    words: ['url-group', 'transfers'],
    positionals: [],
    options: targetOptions,
    summary: 'list what is being sent now',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const transfers: UrlTransfer[] = [];
        for await (const transfer of urlGroups.listTransfers(call)) {
          call.output.element(transferDocument(transfer));
          transfers.push(transfer);
        }
        if (call.output.format === 'ndjson') return;
        call.output.result(transferTable(transfers), {
          schema: 'carmine.transfer-list/1',
          transfers: transfers.map(transferDocument),
        });
      }),
  },
  {
    words: ['url-group', 'auth'],
    positionals: ['prefix'],
    options: { ...targetOptions, scheme: string, enable: boolean, disable: boolean },
    summary: 'tell or switch an authentication scheme of a URL group',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const scheme = choice(call, 'scheme', urlGroupSchemes);
        if (scheme === undefined) throw invalid('--scheme is missing: negotiate or ntlm');
        const [enable, disable] = [flag(call, 'enable'), flag(call, 'disable')];
        if (enable && disable) throw invalid('--enable and --disable exclude each other');
        const prefix = positional(call, 'prefix');
        if (enable || disable) await urlGroups.setUrlGroupAuthentication(prefix, scheme, enable, call);
        const enabled = await urlGroups.getUrlGroupAuthentication(prefix, scheme, call);
        call.output.result(enabled ? 'on' : 'off', {
          schema: 'carmine.url-group-auth/1',
          prefix,
          scheme: scheme satisfies UrlGroupScheme,
          enabled,
        });
      }),
  },
  {
    words: ['url-group', 'property'],
    positionals: ['prefix', 'property', 'value?'],
    options: targetOptions,
    summary: 'tell or set a limit of a URL group (PROPERTY: ConnectionLimit or BandwidthLimit)',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const prefix = positional(call, 'prefix');
        const property = urlGroupProperties.find(
          (name) => name.toLowerCase() === positional(call, 'property').toLowerCase(),
        );
        if (property === undefined) throw invalid(`PROPERTY is one of ${urlGroupProperties.join(', ')}`);
        const value = call.positionals.get('value');
        const wanted = value === 'none' ? none : wholeNumber(value, 'VALUE');
        if (wanted !== undefined) await urlGroups.setProperty(prefix, property, wanted, call);
        const actual = await urlGroups.getProperty(prefix, property, call);
        call.output.result(actual === none ? 'none' : String(actual), {
          schema: 'carmine.url-group-property/1',
          prefix,
          property,
          value: actual === none ? null : actual,
        });
      }),
  },
  {
    words: ['url', 'create'],
    positionals: ['prefix', 'suffix', 'path'],
    options: { ...targetOptions, sddl: string, certificate: string },
    summary: 'publish a file',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const certificate = text(call, 'certificate');
        const [prefix, urlSuffix] = [positional(call, 'prefix'), positional(call, 'suffix')];
        await urlGroups.createUrl(
          prefix,
          {
            urlSuffix,
            sourceFilePath: positional(call, 'path'),
            sddlAuth: text(call, 'sddl') ?? '',
            certificateHashAccessCheck: certificate === undefined ? null : thumbprint(certificate),
          },
          call,
        );
        call.output.result('', { schema: 'carmine.url/1', prefix, suffix: urlSuffix, exists: true });
      }),
  },
  {
    words: ['url', 'check'],
    positionals: ['prefix', 'suffix'],
    options: targetOptions,
    summary: 'tell whether a URL is published (exit code 3 when not)',
    run: (call) => {
      let exists = false;
      return withMachine(call, async ({ urlGroups }) => {
        const [prefix, suffix] = [positional(call, 'prefix'), positional(call, 'suffix')];
        exists = await urlGroups.checkUrl(prefix, suffix, call);
        call.output.result(exists ? 'yes' : 'no', { schema: 'carmine.url/1', prefix, suffix, exists });
      }).then(() => (exists ? 0 : 3));
    },
  },
  {
    words: ['url', 'delete'],
    positionals: ['prefix', 'suffix'],
    options: targetOptions,
    summary: 'take a URL back',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const [prefix, suffix] = [positional(call, 'prefix'), positional(call, 'suffix')];
        await urlGroups.deleteUrl(prefix, suffix, call);
        call.output.result('', { schema: 'carmine.url/1', prefix, suffix, exists: false });
      }),
  },
  {
    words: ['certificate', 'set'],
    positionals: ['port'],
    options: { ...targetOptions, store: string, thumbprint: string },
    summary: 'bind a certificate to an https port',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const hash = text(call, 'thumbprint');
        if (hash === undefined) throw invalid('--thumbprint SHA1 is missing');
        const storeName = text(call, 'store') ?? 'MY';
        const port = portOf(positional(call, 'port'));
        await urlGroups.setSslCertificate(port, { storeName, hash: thumbprint(hash) }, call);
        call.output.result('', bindingDocument(port, storeName, thumbprint(hash)));
      }),
  },
  {
    words: ['certificate', 'get'],
    positionals: ['port'],
    options: targetOptions,
    summary: 'tell the certificate of a port',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const port = portOf(positional(call, 'port'));
        const { storeName, hash } = await urlGroups.getSslCertificate(port, call);
        call.output.result(`${storeName} ${hex(hash)}`, bindingDocument(port, storeName, hash));
      }),
  },
  {
    words: ['certificate', 'remove'],
    positionals: ['port'],
    options: targetOptions,
    summary: 'remove the certificate of a port',
    run: (call) =>
      withMachine(call, async ({ urlGroups }) => {
        const port = portOf(positional(call, 'port'));
        await urlGroups.removeSslCertificate(port, call);
        call.output.result('', { schema: 'carmine.certificate/1', port, store: null, thumbprint: null });
      }),
  },
];

/** Undefined on a machine that cannot tell: Windows. */
async function detailsOf(
  urlGroups: UrlGroupExtensions,
  prefix: string,
  call: Call,
): Promise<UrlGroupDetails | undefined> {
  try {
    return await urlGroups.getUrlGroupDetails(prefix, call);
  } catch (error) {
    if (isCarmineError(error, 'controller/extension-missing')) return undefined;
    throw error;
  }
}

function portOf(text: string): number {
  const port = wholeNumber(text, 'PORT', 1, 65_535);
  if (port === undefined) throw invalid('PORT is missing');
  return port;
}

function bindingDocument(port: number, store: string, hash: Uint8Array) {
  return { schema: 'carmine.certificate/1' as const, port, store, thumbprint: hex(hash) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

import { CarmineError } from '@carmine/errors';

/** What a client needs of krb5.conf. */
export interface KerberosConfiguration {
  readonly defaultRealm: string | undefined;
  /** Realm to `host` or `host:port`, in the order of the file. */
  readonly kdcs: ReadonlyMap<string, readonly string[]>;
  /** Host names and, with a leading dot, domains, in lower case, to realms. */
  readonly domainRealms: ReadonlyMap<string, string>;
}

/**
 * Reads the parts of krb5.conf that say where KDCs are: `[libdefaults] default_realm`, `[realms] R = { kdc = … }` and
 * `[domain_realm]`. Everything else is skipped. `file` names the text in errors, `configuration/syntax`; `include`
 * gives the text of the files that `include` and `includedir` name.
 */
export function parseKerberosConfiguration(
  text: string,
  file: string,
  include: (directive: 'include' | 'includedir', path: string) => readonly string[] = () => [],
): KerberosConfiguration {
  const result = {
    defaultRealm: undefined as string | undefined,
    kdcs: new Map<string, string[]>(),
    domainRealms: new Map<string, string>(),
  };
  let section = '';
  let realm: string | undefined;
  let depth = 0;
  for (const [index, raw] of text.split(/\r\n|\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const directive = /^(include|includedir)\s+(\S.*)$/.exec(line);
    const header = /^\[([^\]]*)\]\*?$/.exec(line);
    const relation = /^([^={}]+)=(.*)$/.exec(line);
    if (directive !== null) {
      for (const other of include(directive[1] as 'include' | 'includedir', directive[2]!)) {
        merge(result, parseKerberosConfiguration(other, directive[2]!, include));
      }
    } else if (header !== null) {
      section = header[1]!.trim();
      [realm, depth] = [undefined, 0];
    } else if (line === '}' || line === '}*') {
      if (depth === 0) throw syntax(file, index, 'a closing brace without an opening one');
      depth--;
      if (depth === 0) realm = undefined;
    } else if (relation !== null) {
      const key = relation[1]!.trimEnd().replace(/\*$/, '').trimEnd();
      const value = relation[2]!.trimStart();
      if (value.startsWith('{')) {
        if (depth === 0 && section === 'realms') realm = key;
        if (!value.endsWith('}')) depth++;
      } else if (section === 'libdefaults' && depth === 0 && key === 'default_realm') result.defaultRealm ??= value;
      else if (section === 'realms' && depth === 1 && key === 'kdc' && realm !== undefined) {
        add(result.kdcs, realm, [value]);
      } else if (section === 'domain_realm' && depth === 0) result.domainRealms.set(key.toLowerCase(), value);
    } else {
      throw syntax(file, index, 'neither a section nor a relation');
    }
  }
  return result;
}

/** The realm of a host: its own entry, that of the closest domain above it, or undefined. */
export function realmOfHost({ domainRealms }: KerberosConfiguration, host: string): string | undefined {
  const name = host.toLowerCase();
  const exact = domainRealms.get(name);
  if (exact !== undefined) return exact;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const realm = domainRealms.get(name.slice(dot)) ?? domainRealms.get(name.slice(dot + 1));
    if (realm !== undefined) return realm;
  }
  return undefined;
}

function merge(
  into: { defaultRealm: string | undefined; kdcs: Map<string, string[]>; domainRealms: Map<string, string> },
  from: KerberosConfiguration,
): void {
  into.defaultRealm ??= from.defaultRealm;
  for (const [realm, kdcs] of from.kdcs) add(into.kdcs, realm, kdcs);
  for (const [domain, realm] of from.domainRealms) into.domainRealms.set(domain, realm);
}

function add(kdcs: Map<string, string[]>, realm: string, more: readonly string[]): void {
  const known = kdcs.get(realm);
  if (known === undefined) kdcs.set(realm, [...more]);
  else for (const kdc of more) known.push(kdc);
}

function syntax(file: string, index: number, reason: string): CarmineError {
  return new CarmineError('configuration/syntax', { context: { file, line: index + 1, reason } });
}

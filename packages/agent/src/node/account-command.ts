import { hostname } from 'node:os';
import { type AccountDatabase, openAccountDatabase, readKeytab } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import { type AgentProgram, type Arguments, load, position, print, text, type Verb } from './command-line.ts';
import { makeStateFolder } from './files.ts';
import { netbiosName } from './management.ts';
import { readPassword } from './password.ts';
import { formatServiceKeys, servicesOf } from './service-keys.ts';

/** `account …`: who may log on, and the Kerberos keys that tickets for this machine are opened with. */
export const accountVerbs: Readonly<Record<string, Verb>> = {
  'account add': accountAdd,
  'account list': accountList,
  'account remove': accountRemove,
  'account import-keytab': importKeytab,
  'account remove-keys': removeKeys,
};

async function accountAdd(program: AgentProgram, args: Arguments): Promise<number> {
  const accounts = await openAccounts(program, args);
  const name = position(args, 0, 'NAME');
  const groups = (text(args, 'groups') ?? 'Users')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  const password = await readPassword({
    file: text(args, 'password-file') ?? process.env['CARMINE_PASSWORD_FILE'],
    stdin: args.values['password-stdin'] === true,
    prompt: `New password of ${name}: `,
  });
  const added = accounts.add(name, password, groups);
  return print(args, `${added.name}  ${added.sid}  ${added.groups.join(',')}`, {
    schema: 'carmine.account/1',
    ...added,
  });
}

async function accountList(program: AgentProgram, args: Arguments): Promise<number> {
  const database = await openAccounts(program, args);
  const accounts = database.list();
  const serviceKeys = servicesOf(database.listKeys());
  const lines = [
    ...accounts.map((account) => `${account.name}  ${account.sid}  ${account.groups.join(',')}`),
    ...serviceKeys.map(formatServiceKeys),
  ];
  return print(args, lines.join('\n'), { schema: 'carmine.account-list/1', accounts, serviceKeys });
}

async function accountRemove(program: AgentProgram, args: Arguments): Promise<number> {
  const name = position(args, 0, 'NAME');
  (await openAccounts(program, args)).remove(name);
  return print(args, '', { schema: 'carmine.account/1', name, removed: true });
}

async function importKeytab(program: AgentProgram, args: Arguments): Promise<number> {
  const file = position(args, 0, 'FILE');
  const entries = readKeytab(file);
  if (entries.length === 0) throw useless(file, 'there is no key in it');
  const { allowRc4 } = (await load(program, args)).kerberos;
  const { imported, refused } = (await openAccounts(program, args)).importKeys(entries, { allowRc4 });
  const lines = [
    ...servicesOf(imported).map(formatServiceKeys),
    ...refused.map((key) => `not imported: ${formatServiceKeys({ ...key, types: [key.type] })}: ${key.reason}`),
  ];
  print(args, lines.join('\n'), { schema: 'carmine.imported-keys/1', imported: servicesOf(imported), refused });
  if (imported.length === 0) throw useless(file, 'none of its keys can be used');
  return 0;
}

async function removeKeys(program: AgentProgram, args: Arguments): Promise<number> {
  const principal = position(args, 0, 'PRINCIPAL');
  (await openAccounts(program, args)).removeKeys(principal);
  return print(args, '', { schema: 'carmine.service-keys/1', principal, removed: true });
}

function useless(file: string, reason: string): CarmineError {
  return new CarmineError('configuration/unreadable', { context: { file, reason } });
}

async function openAccounts(program: AgentProgram, args: Arguments): Promise<AccountDatabase> {
  const { stateDir } = await load(program, args);
  await makeStateFolder(stateDir);
  return openAccountDatabase({ stateDir, hostName: netbiosName(hostname()) });
}

import { copyCommand } from './commands/copy.ts';
import { jobCommands } from './commands/job.ts';
import { miscCommands } from './commands/misc.ts';
import { urlCommands } from './commands/url.ts';
import type { Command } from './options.ts';

/** Every command of `carmine`. */
export const commands: readonly Command[] = [
  copyCommand,
  ...jobCommands,
  ...urlCommands,
  ...miscCommands(() => commands),
];

export function helpText(): string {
  const width = Math.max(...commands.map(({ words, positionals }) => [...words, ...positionals].join(' ').length));
  const lines = commands.map(({ words, positionals, summary }) => {
    const usage = [
      ...words,
      ...positionals.map((name) => (name.endsWith('?') ? `[${name.slice(0, -1).toUpperCase()}]` : name.toUpperCase())),
    ].join(' ');
    return `  carmine ${usage.padEnd(width + 2)} ${summary}`;
  });
  return `carmine: manage BITS jobs and URL groups of machines, and copy files between them

${lines.join('\n')}

Machines are wsman://USER@HOST[:5985] or wsmans://USER@HOST[:5986]; with a path they name a file there. --on MACHINE (or CARMINE_ON) says
which one. Passwords come from --password-file, --password-stdin, CARMINE_PASSWORD_FILE or a prompt. Without a password a ticket of kinit
is used (USER@ may then be left out); --keytab FILE and --client-certificate FILE --client-certificate-key FILE log on without either;
--auth negotiate, ntlm, kerberos, basic or certificate insists on one way. A Kerberos user is alice%40REALM in a target. The same in the
environment: CARMINE_AUTH, CARMINE_KEYTAB, CARMINE_CLIENT_CERTIFICATE, CARMINE_CLIENT_CERTIFICATE_KEY. --trust FILE adds a certificate to
trust. --json prints one document, --ndjson a stream. "carmine COMMAND --help" shows the options of a command.`;
}

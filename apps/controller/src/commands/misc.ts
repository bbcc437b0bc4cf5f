import { explain } from '@carmine/errors';
import { completionScript } from '../completion.ts';
import { connect } from '../connect.ts';
import { logonFor } from '../logon.ts';
import { type Command, invalid, machineOptions, outputOptions, positional } from '../options.ts';
import { parseTarget } from '../target.ts';

/** `carmine ping`, `explain`, `completion`; `all` gives the table that completion is made from. */
export function miscCommands(all: () => readonly Command[]): readonly Command[] {
  return [
    {
      words: ['ping'],
      positionals: ['target'],
      options: machineOptions,
      summary: 'tell whether a machine answers and accepts the credentials',
      async run(call) {
        const target = parseTarget(positional(call, 'target'));
        const machine = await connect(call, target, await logonFor(call, target));
        try {
          const started = performance.now();
          const identity = await machine.identify({ signal: call.signal });
          const milliseconds = Math.round((performance.now() - started) * 10) / 10;
          call.output.result(`${target.name}  ${identity.vendor} ${identity.version}  ${milliseconds} ms`, {
            schema: 'carmine.ping/1',
            target: target.name,
            vendor: identity.vendor,
            version: identity.version,
            milliseconds,
          });
          return 0;
        } finally {
          await machine.close();
        }
      },
    },
    {
      words: ['explain'],
      positionals: ['code'],
      options: outputOptions,
      summary: 'explain a result code: 0x80200013, BG_E_EMPTY, 404, job/not-found',
      async run(call) {
        const code = positional(call, 'code');
        const explanation = explain(code);
        if (explanation === undefined) throw invalid(`"${code}" is not a code that Carmine knows`);
        const { name, meaning, remedy } = explanation;
        call.output.result(`${explanation.code}  ${name}\n${meaning}\n${remedy}`, {
          schema: 'carmine.explanation/1',
          ...explanation,
        });
        return 0;
      },
    },
    {
      words: ['completion'],
      positionals: ['shell'],
      options: outputOptions,
      summary: 'print a completion script (SHELL: bash, zsh or fish)',
      async run(call) {
        const shell = positional(call, 'shell');
        const script = completionScript(shell, all());
        if (script === undefined) throw invalid('SHELL is bash, zsh or fish');
        call.output.result(script, { schema: 'carmine.completion/1', shell, script });
        return 0;
      },
    },
  ];
}

import { runAgentProgram } from '@carmine/agent/node';
import { initialiseServer } from './initialise.ts';
import { createServerService } from './service.ts';

process.exitCode = await runAgentProgram(
  {
    role: 'server',
    name: 'carmine-server',
    version: '0.1.0',
    createService: createServerService,
    initialise: initialiseServer,
  },
  process.argv.slice(2),
);

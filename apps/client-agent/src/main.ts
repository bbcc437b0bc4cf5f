import { runAgentProgram } from '@carmine/agent/node';
import { createClientService } from './service.ts';

process.exitCode = await runAgentProgram(
  { role: 'client', name: 'carmine-client', version: '0.1.0', createService: createClientService },
  process.argv.slice(2),
);

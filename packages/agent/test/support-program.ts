import type { AgentContext, AgentProgram, AgentService } from '../src/node/index.ts';

/** A program whose service must not be started. */
export const serverProgram: AgentProgram = {
  role: 'server',
  name: 'carmine-server',
  version: '0.0.0',
  createService: (_context: AgentContext): Promise<AgentService> => {
    throw new Error('must not be called');
  },
};
export const clientProgram: AgentProgram = { ...serverProgram, role: 'client', name: 'carmine-client' };

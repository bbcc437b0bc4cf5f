import { readFile } from 'node:fs/promises';
import { CarmineError } from '@carmine/errors';
import { type AgentConfiguration, type AgentRole, parseConfiguration } from '../configuration.ts';

/** Reads the file and applies environment and flags. */
export async function loadConfiguration(role: AgentRole, file: string, stateDir?: string): Promise<AgentConfiguration> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String((cause as Error).message);
    throw new CarmineError('configuration/unreadable', { context: { file, reason }, cause });
  }
  return parseConfiguration({ role, file, text, environment: process.env, flags: { stateDir } });
}

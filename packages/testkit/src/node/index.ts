export {
  type AgentProcess,
  createSandbox,
  exitOf,
  freePort,
  type Program,
  type Sandbox,
  type SandboxAgent,
  type SandboxOptions,
} from './sandbox.ts';

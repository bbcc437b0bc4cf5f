export { createAuthority, type Issued, type IssueOptions } from './certificate-authority.ts';
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

export { systemEnvironment } from './system-environment.ts';

export { createNodeJobEngine, type NodeJobEngineOptions } from './engine.ts';
export { system } from './system.ts';
export { createNodeTransfers, type NodeTransferOptions } from './transfers.ts';

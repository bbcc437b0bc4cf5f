export { system } from './system.ts';
export { createNodeTransfers, type NodeTransferOptions } from './transfers.ts';

export { ChunkedReader, type ChunkedStep } from './chunked.ts';
export { Fields } from './fields.ts';
export { defaultHeadLimits, type HeadLimits } from './limits.ts';
export { parseRequestHead, type RequestBody, type RequestFault, type RequestHead } from './request-head.ts';
export { type RequestEvent, RequestReader } from './request-reader.ts';
export { type PreparedFields, prepareFields, type ResponseFields, reasonOf, responseHead } from './response-head.ts';

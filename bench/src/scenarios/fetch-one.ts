import { readFileSync } from 'node:fs';
import { download } from '@carmine/transfer/node';

/** `download` as a program: what the scenario `transfer` measures. Arguments: URL, file, options as JSON. */
const [url = '', path = '', json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json) as { connections?: number; computeSha256?: boolean; trust?: string };
const trust = options.trust === undefined ? [] : [readFileSync(options.trust, 'utf8')];
await download(url, path, { ...options, trust });

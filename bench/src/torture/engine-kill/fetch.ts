import { writeSync } from 'node:fs';
import { type DownloadOptions, download } from '@carmine/transfer/node';

/** `download` as a program that is killed. Arguments: URL, file, options as JSON. Each progress is a line, at once. */
const [url = '', path = '', json = '{}'] = process.argv.slice(2);
await download(url, path, {
  ...(JSON.parse(json) as DownloadOptions),
  onProgress: ({ transferred }) => void writeSync(1, `${transferred}\n`),
});

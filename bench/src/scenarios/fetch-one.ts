import { readFileSync } from 'node:fs';
import { download, downloadAll } from '@carmine/transfer/node';

/**
 * `download` as a program: what the scenarios `transfer` and `networks` measure. Arguments: URL, file, options as JSON. With a JSON list of
 * `{ url, path }` in a file and `--all` before it, `downloadAll`; with `--watch` before them, `download` in the background.
 */
const [url = '', path = '', json = '{}'] = process.argv.slice(2);
if (url === '--all') {
  const outcomes = await downloadAll(JSON.parse(readFileSync(path, 'utf8')) as { url: string; path: string }[]);
  for (const { error } of outcomes) if (error !== undefined) throw error;
} else if (url === '--watch') {
  // In the background, URL and file after it: a line for each change, milliseconds and bytes.
  const fetching = download(path, json, { background: true });
  for await (const { transferred } of fetching) process.stdout.write(`${Date.now()} ${transferred}\n`);
} else {
  const options = JSON.parse(json) as { connections?: number; computeSha256?: boolean; trust?: string };
  const trust = options.trust === undefined ? [] : [readFileSync(options.trust, 'utf8')];
  await download(url, path, { ...options, trust });
}

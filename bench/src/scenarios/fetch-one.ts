import { download } from '@carmine/transfer/node';

/** `download` as a program: what the scenario `fetch` measures. Arguments: URL, file, number of connections or nothing. */
const [url = '', path = '', connections] = process.argv.slice(2);
await download(url, path, connections === undefined ? {} : { connections: Number(connections) });

import { readCommandLine, readCount, refuse } from './command-line.ts';
import { authScenario } from './scenarios/auth.ts';
import { copyScenario } from './scenarios/copy.ts';
import { dcomScenario } from './scenarios/dcom.ts';
import { type Scenario, show } from './scenarios/measure.ts';
import { networksScenario } from './scenarios/networks.ts';
import { smallJobScenario } from './scenarios/small-job.ts';
import { transferScenario } from './scenarios/transfer.ts';
import { urlServerScenario } from './scenarios/url-server.ts';
import { coldScenario } from './scenarios/url-server-cold.ts';
import { crowdScenario } from './scenarios/url-server-crowd.ts';
import { urlTableScenario } from './scenarios/url-table.ts';
import { wsmanScenario } from './scenarios/wsman.ts';
import { wsmanScaleScenario } from './scenarios/wsman-scale.ts';

/** `npm run bench -- SCENARIO [--rounds N] [--json]` */
const scenarios: Readonly<Record<string, Scenario>> = {
  auth: authScenario,
  wsman: wsmanScenario,
  'wsman-scale': wsmanScaleScenario,
  dcom: dcomScenario,
  copy: copyScenario,
  transfer: transferScenario,
  // Its former name.
  fetch: transferScenario,
  'small-job': smallJobScenario,
  networks: networksScenario,
  'url-server': urlServerScenario,
  'url-server-cold': coldScenario,
  'url-server-crowd': crowdScenario,
  'url-table': urlTableScenario,
};

const usage = `npm run bench -- SCENARIO [--rounds N] [--json]; SCENARIO is ${Object.keys(scenarios).join(', ')}`;
const { positionals, values } = readCommandLine({ rounds: { type: 'string' }, json: { type: 'boolean' } }, usage);
const name = positionals[0] ?? '';
const scenario = scenarios[name] ?? refuse(undefined, usage);
const rounds = readCount(values.rounds, usage) ?? 5;
const result = await scenario(rounds, (text) => void process.stderr.write(`${text}\n`));
process.stdout.write(`\n${show(result)}\n`);
if (values.json === true) process.stdout.write(`${JSON.stringify({ scenario: name, rounds, ...result.report })}\n`);

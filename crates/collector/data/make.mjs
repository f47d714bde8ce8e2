// Makes browsers.tsv, systems.tsv, robots.txt and robot-agents.txt from two npm packages:
//   npm pack uap-core@0.18.0 crawler-user-agents@1.60.0   (unpack each)
//   node make.mjs PATH/TO/uap-core PATH/TO/crawler-user-agents
// It only changes the form, never the rules: what is used of them is decided in src/client/.
import { readFileSync, writeFileSync } from 'node:fs';

const [uap, crawlers] = process.argv.slice(2);
const here = new URL('.', import.meta.url).pathname;

const parsers = { user_agent_parsers: [], os_parsers: [], device_parsers: [] };
let list;
const unquote = (text) => (text[0] === '"' ? JSON.parse(text) : text.slice(1, -1).replaceAll("''", "'"));
for (const line of readFileSync(`${uap}/regexes.yaml`, 'utf8').split('\n')) {
  const head = /^(\w+):/.exec(line);
  if (head) list = parsers[head[1]];
  const entry = /^ +(- )?(\w+): +(['"].*['"])/.exec(line);
  if (!entry) continue;
  const [, dash, key, value] = entry;
  if (dash) list.push({});
  list.at(-1)[key] = unquote(value);
}
const tsv = (list, name) =>
  list.map((p) => `${p.regex}\t${p[name] ?? ''}\n`).join('');
writeFileSync(`${here}browsers.tsv`, tsv(parsers.user_agent_parsers, 'family_replacement'));
writeFileSync(`${here}systems.tsv`, tsv(parsers.os_parsers, 'os_replacement'));

const robots = JSON.parse(readFileSync(`${crawlers}/crawler-user-agents.json`, 'utf8'));
writeFileSync(`${here}robots.txt`, robots.map((r) => `${r.pattern}\n`).join(''));
const agents = robots.flatMap((r) => r.instances).filter((a) => !a.includes('\n'));
writeFileSync(`${here}robot-agents.txt`, agents.map((a) => `${a}\n`).join(''));

// Opens whatever shows the names of a site in headless Chromium, and prints what they did there as
// lines "name value". Started by hostile.rs:
//   node hostile.mjs CHROMIUM PROFILE DASHBOARD_URL SHARE_PATH SITE NAMES
//
// What it is not: a test. hostile.rs compares what is printed here with what should be.
//
// What surprises: nothing that a name did is looked for by its look. A window that has another
// property, another origin, a dialog, a word in the console or a request is enough.

import { readFileSync } from 'node:fs';
import { say, until, watch } from '../chromium.mjs';

const [chromium, profile, dashboard, share, site, file] = process.argv.slice(2);
const PATIENCE_MS = 300000;
const PARTS_MAX = 50;
// By more than these there is no list; they are exported only.
const EXPORTS = ['page_target', 'hour', 'day', 'total', 'refused'];
const { attacks, names } = JSON.parse(readFileSync(file, 'utf8'));
const { origin } = new URL(dashboard);

const { page, seen, open, look, close } = await watch({ chromium, profile, origin, patience: PATIENCE_MS });
const PROPERTIES = 'Object.getOwnPropertyNames(window).sort().join()';
const NAMES = `[...document.querySelectorAll('bdi')].map((one) => one.textContent)`;
// Events that an attack waits for: everything is touched, focused and opened.
const TOUCH = `document.querySelectorAll('body *').forEach((one) => {
  one.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
  one.focus?.();
  if ('open' in one) one.open = true;
})`;

await open(dashboard);
await open('/?site=nowhere.example');
const clean = await look(PROPERTIES);
const changed = [];

/** Opens an address, does what people do, and says which names stand there. */
async function visit(path) {
  await open(path);
  await look(TOUCH);
  if (await look(PROPERTIES) !== clean) changed.push(path);
  if (await look('location.origin') !== origin || await look('document.title').then((is) => is === 'hacked')) {
    changed.push(`left: ${path}`);
  }
  return look(NAMES);
}

/** Each part of a list to its end. */
async function whole(path) {
  const found = [];
  for (let at = 1; at <= PARTS_MAX; at += 1) {
    found.push(...await visit(`${path}&at=${at}`));
    if (!await look(`!!document.querySelector('[rel=next]')`)) return found;
  }
  throw new Error(`${path} has no end`);
}

for (const period of ['day', '30d']) await visit(`/?site=${site}&period=${period}&metric=clicks`);
const unseen = [];
const unwritten = [];
const files = [];
const inShare = new Set(await visit(`${share}?period=30d`));
for (const [by, expected] of Object.entries(names)) {
  const [shown, written] = [new Set(await whole(`/list?site=${site}&by=${by}`)), await exported(by)];
  unseen.push(...expected.filter((name) => !shown.has(name)).map((name) => `${by} ${name}`));
  unwritten.push(...expected.filter((name) => !written.includes(name)).map((name) => `${by} ${name}`));
  (await whole(`${share}/list?by=${by}`)).forEach((name) => inShare.add(name));
}
for (const by of EXPORTS) await exported(by);

/** Both exports of a list, signed in and shared: opened as an address they are saved. The names. */
async function exported(by) {
  for (const [path, kind] of [['/api/v1/export.csv', 'csv'], ['/api/v1/export.json', 'json'],
    [`${share}/export.csv`, 'csv'], [`${share}/export.json`, 'json']]) {
    // What was not counted is not for shared links.
    if (by === 'refused' && path.startsWith(share)) continue;
    const address = `${path}?site=${site}&by=${by}`;
    const { errorText } = await page('Page.navigate', { url: new URL(address, origin).href });
    const { status, type, sniff, way } = await look(`fetch(${JSON.stringify(address)}).then(({ status, headers: of }) => ({
      status, type: of.get('content-type'), sniff: of.get('x-content-type-options'), way: of.get('content-disposition') }))`);
    files.push(errorText === 'net::ERR_ABORTED' && status === 200 && type.includes(kind) && sniff === 'nosniff'
      && way.startsWith('attachment'));
  }
  return look(`fetch('/api/v1/export.json?site=${site}&by=${by}').then((answer) => answer.json())
    .then(({ results }) => results.flatMap(({ dimensions }) => dimensions ?? []))`);
}

// As what an address asks for: filter, search, and what is none.
for (const [at, attack] of attacks.entries()) {
  const text = encodeURIComponent(attack);
  if (at % 9 === 0) await visit(`/?site=${site}&page=${text}&metric=${text}`);
  if (at % 18 === 1) await visit(`/list?site=${site}&by=page&search=${text}`);
  if (at % 18 === 2) await visit(`/?from=${text}&period=${text}`);
  if (at % 18 === 3) await visit(`/?site=${text}`);
  if (at % 18 === 4) await visit(`${share}?page=${text}`);
}
say('changed', changed.join(' '));
say('unseen', unseen.slice(0, 5).join(' '));
say('unwritten', unwritten.slice(0, 5).join(' '));
say('files', files.length > EXPORTS.length * 4 && files.every(Boolean));
say('shared', inShare.size);
// A site that is refused is an error by intent, and Chromium says so.
const intended = /responded with a status of 40[04]/;
say('troubles', seen.troubles.filter((one) => !intended.test(one)).join(' || '));
say('foreign', seen.foreign.join(' '));

// What was looked for is found where it is.
const quiet = seen.troubles.length;
await look('setTimeout(() => { window.hacked = 1; alert(1); }); undefined');
await until('the attack that works', async () => seen.troubles.length > quiet && await look(PROPERTIES) !== clean);
say('control', true);
await close();
process.exit(0);

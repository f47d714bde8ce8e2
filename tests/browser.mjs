// Drives headless Chromium through the first line of the issue, and prints what it found as lines
// "name value". Started by browser.rs:
//   node browser.mjs CHROMIUM PROFILE AGENT DEMO_URL DASHBOARD_URL SCREENSHOT
//
// What it is not: a test. browser.rs compares what is printed here with what should be.
//
// What surprises: there is no package. Chromium speaks its protocol over two pipes, JSON between
// NUL bytes. And it is given an agent without "Headless": as itself it is a robot, and not counted.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const [chromium, profile, agent, demo, dashboard, screenshot] = process.argv.slice(2);
const PATIENCE_MS = 20000;
const DASHBOARD_MS = 2000;

const browser = spawn(chromium, [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--window-size=1280,1600', '--remote-debugging-pipe',
  `--user-data-dir=${profile}`, `--user-agent=${agent}`,
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [toBrowser, fromBrowser] = [browser.stdio[3], browser.stdio[4]];
const fail = (why) => { console.log(`failed ${why}`); browser.kill('SIGKILL'); process.exit(1); };
browser.on('error', (error) => fail(error.message));
setTimeout(() => fail('nothing happened for too long'), 2 * PATIENCE_MS).unref();

const waiting = new Map();
const seen = { troubles: [], foreign: [], loads: 0 };
let last = 0;
let rest = Buffer.alloc(0);

fromBrowser.on('data', (bytes) => {
  rest = Buffer.concat([rest, bytes]);
  for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
    hear(JSON.parse(rest.subarray(0, end)));
    rest = rest.subarray(end + 1);
  }
});

function hear({ id, result, error, method, params }) {
  if (id) {
    const { done, failed } = waiting.get(id);
    waiting.delete(id);
    return error ? failed(new Error(error.message)) : done(result);
  }
  if (method === 'Page.loadEventFired') seen.loads += 1;
  if (method === 'Runtime.exceptionThrown') seen.troubles.push(params.exceptionDetails.text);
  if (method === 'Runtime.consoleAPICalled') seen.troubles.push(`console.${params.type}`);
  if (method === 'Log.entryAdded') seen.troubles.push(`${params.entry.text} ${params.entry.url}`);
  if (method === 'Audits.issueAdded' && params.issue.code === 'ContentSecurityPolicyIssue') {
    seen.troubles.push(JSON.stringify(params.issue));
  }
  if (method === 'Network.requestWillBeSent') {
    const { origin, protocol } = new URL(params.request.url);
    if (protocol !== 'data:' && origin !== new URL(demo).origin) seen.foreign.push(params.request.url);
  }
}

function send(method, params = {}, sessionId = undefined) {
  last += 1;
  toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
  return new Promise((done, failed) => waiting.set(last, { done, failed }));
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
const page = (method, params) => send(method, params, sessionId);
for (const room of ['Page', 'Runtime', 'Log', 'Network', 'Audits']) await page(`${room}.enable`);

async function open(url) {
  const before = seen.loads;
  const { errorText } = await page('Page.navigate', { url });
  if (errorText) fail(`${url}: ${errorText}`);
  const end = Date.now() + PATIENCE_MS;
  while (seen.loads === before) {
    if (Date.now() > end) fail(`${url} did not load`);
    await pause(5);
  }
}

async function look(expression) {
  const asked = { expression, awaitPromise: true, returnByValue: true };
  const { result, exceptionDetails } = await page('Runtime.evaluate', asked);
  if (exceptionDetails) fail(`${expression}: ${exceptionDetails.text}`);
  return result.value;
}

async function until(expression, ms) {
  const end = Date.now() + ms;
  while (!await look(expression) && Date.now() < end) await pause(10);
}

const sent = 'document.querySelectorAll("#sent li").length';
const kept = `(async () => [document.cookie.length, localStorage.length, sessionStorage.length,
  (await caches.keys()).length, (await indexedDB.databases()).length,
  (await navigator.serviceWorker.getRegistrations()).length].join(' '))()`;
const headlines = `[...document.querySelectorAll('.headlines > div')].map((one) =>
  one.querySelector('dt').textContent.trim() + ' ' +
  one.querySelector('.value').textContent.trim()).join(', ')`;

// A real press of a real button: events made by script would not be trusted ones.
await open(demo);
await until(`${sent} >= 1`, PATIENCE_MS);
const { x, y } = await look(`(() => {
  const box = document.querySelector('[data-headcount=signup]').getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
})()`);
const at = { x, y, button: 'left', clickCount: 1 };
await page('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
await page('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
const clicked = Date.now();
await until(`${sent} >= 2`, PATIENCE_MS);
console.log(`sent ${await look(sent)}`);
console.log(`kept ${await look(kept)}`);
console.log(`cookies ${(await send('Storage.getCookies')).cookies.length}`);
await page('Page.captureScreenshot').then(({ data }) =>
  writeFileSync(screenshot.replace('dashboard', 'demo'), Buffer.from(data, 'base64')));

await open(dashboard);
let found = await look(headlines);
while (!/views 1,.*clicks 1$/i.test(found) && Date.now() < clicked + DASHBOARD_MS) {
  await open(new URL('/', dashboard).href);
  found = await look(headlines);
}
const took = Date.now() - clicked;
console.log(`headlines ${found.toLowerCase()}`);
console.log(`address ${await look('location.pathname + location.search')}`);
const { cookies } = await send('Storage.getCookies');
console.log(`session ${cookies.map((c) => `${c.httpOnly} ${c.sameSite}`).join(', ')}`);
const { data } = await page('Page.captureScreenshot', { captureBeyondViewport: true });
writeFileSync(screenshot, Buffer.from(data, 'base64'));
console.log(`troubles ${seen.troubles.join(' | ')}`);
console.log(`foreign ${seen.foreign.join(' ')}`);
console.log(`took ${took} ms`);
// On its way out the browser still writes into its profile.
const gone = new Promise((done) => { browser.on('exit', done); });
await send('Browser.close').catch(() => {});
await gone;
process.exit(0);

// Drives headless Chromium through the first line of the issue, and prints what it found as lines
// "name value". Started by browser.rs:
//   node browser.mjs CHROMIUM PROFILE AGENT DEMO_URL DASHBOARD_URL SCREENSHOT
//
// What it is not: a test. browser.rs compares what is printed here with what should be.
//
// What surprises: Chromium is given an agent without "Headless": as itself it is a robot, and not
// counted.

import { writeFileSync } from 'node:fs';
import * as shared from './chromium.mjs';

const [chromium, profile, agent, demo, dashboard, screenshot] = process.argv.slice(2);
const PATIENCE_MS = 20000;
const DASHBOARD_MS = 2000;

const seen = { troubles: [], foreign: [], loads: 0 };
const browser = shared.launch(chromium, profile, ['--window-size=1280,1600', `--user-agent=${agent}`], (event) => {
  if (event.method === 'Page.loadEventFired') seen.loads += 1;
  const [trouble, foreign] = [shared.trouble(event), shared.foreign(event, new URL(demo).origin)];
  if (trouble) seen.troubles.push(trouble);
  if (foreign) seen.foreign.push(foreign);
});
const { send } = browser;
const fail = (why) => { console.log(`failed ${why}`); browser.kill(); process.exit(1); };
browser.onError((error) => fail(error.message));
process.on('uncaughtException', (error) => fail(error.message));
setTimeout(() => fail('nothing happened for too long'), 2 * PATIENCE_MS).unref();

const page = await shared.tab(browser, ['Page', 'Runtime', 'Log', 'Network', 'Audits']);
const open = (url) => shared.open(page, url, () => seen.loads);
const look = (expression) => shared.look(page, expression);

async function until(expression, ms) {
  const end = Date.now() + ms;
  while (!await look(expression) && Date.now() < end) await shared.pause(10);
}

const sent = 'document.querySelectorAll("#sent li").length';
const kept = `(async () => [document.cookie.length, localStorage.length, sessionStorage.length,
  (await caches.keys()).length, (await indexedDB.databases()).length,
  (await navigator.serviceWorker.getRegistrations()).length].join(' '))()`;
const headlines = `[...document.querySelectorAll('.headlines > div')].map((one) =>
  one.querySelector('dt').textContent.trim() + ' ' +
  one.querySelector('.value').textContent.trim()).join(', ')`;

await open(demo);
await until(`${sent} >= 1`, PATIENCE_MS);
await shared.click(page, '[data-headcount=signup]');
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
await browser.close();
process.exit(0);

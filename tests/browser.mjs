// Drives headless Chromium through the first line of the issue, and prints what it found as lines
// "name value". Started by browser.rs:
//   node browser.mjs CHROMIUM PROFILE AGENT DEMO_URL DASHBOARD_URL SCREENSHOT
//
// What it is not: a test. browser.rs compares what is printed here with what should be.
//
// What surprises: Chromium is given an agent without "Headless": as itself it is a robot, and not
// counted.

import { writeFileSync } from 'node:fs';
import { click, pause, say, watch } from './chromium.mjs';

const [chromium, profile, agent, demo, dashboard, screenshot] = process.argv.slice(2);
const PATIENCE_MS = 300000;

const { page, seen, send, open, look, close } = await watch({
  chromium, profile, flags: ['--window-size=1280,1600', `--user-agent=${agent}`], origin: new URL(demo).origin,
  limit: 2 * PATIENCE_MS,
});

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

await open(demo);
await until(`${sent} >= 1`, PATIENCE_MS);
await click(page, '[data-headcount=signup]');
const clicked = Date.now();
await until(`${sent} >= 2`, PATIENCE_MS);
say('sent', await look(sent));
say('kept', await look(kept));
say('cookies', (await send('Storage.getCookies')).cookies.length);
await page('Page.captureScreenshot').then(({ data }) =>
  writeFileSync(screenshot.replace('dashboard', 'demo'), Buffer.from(data, 'base64')));

await open(dashboard);
let found = await look(headlines);
while (!/views 1,.*clicks 1$/i.test(found) && Date.now() < clicked + PATIENCE_MS) {
  await open(new URL('/', dashboard).href);
  found = await look(headlines);
}
const took = Date.now() - clicked;
say('headlines', found.toLowerCase());
say('address', await look('location.pathname + location.search'));
const { cookies } = await send('Storage.getCookies');
say('session', cookies.map((c) => `${c.httpOnly} ${c.sameSite}`).join(', '));
const { data } = await page('Page.captureScreenshot', { captureBeyondViewport: true });
writeFileSync(screenshot, Buffer.from(data, 'base64'));
say('troubles', seen.troubles.join(' | '));
say('foreign', seen.foreign.join(' '));
say('took', `${took} ms`);
await close();
process.exit(0);

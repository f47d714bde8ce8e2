// Looks at the dashboard in headless Chromium as a person would, keeps pictures, and prints what it
// found as lines "name value". Started by dashboard.rs:
//   node look.mjs CHROMIUM PROFILE DASHBOARD_URL SHARE_PATH PICTURES AXE
//
// What it is not: a test. dashboard.rs compares what is printed here with what should be.
//
// What surprises: the hostile names of one of the sites are only pictured and judged here;
// hostile.mjs waits for them to do something.

import { readFileSync, writeFileSync } from 'node:fs';
import { say, watch } from '../chromium.mjs';

const [chromium, profile, dashboard, share, pictures, axe] = process.argv.slice(2);
const PATIENCE_MS = 300000;
const PAINTS = 7;
const WIDE = { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false };
const README = { width: 1120, height: 972, deviceScaleFactor: 1, mobile: false };
const PHONE = { width: 390, height: 844, deviceScaleFactor: 2, mobile: true };
const origin = new URL(dashboard).origin;

// Of the load that is under way.
const weight = { bytes: 0, body: 0, requests: 0 };
function hear({ method, params }) {
  if (method === 'Network.requestWillBeSent' && !params.request.url.startsWith('data:')) weight.requests += 1;
  if (method === 'Network.loadingFinished') weight.bytes += params.encodedDataLength;
  if (method === 'Network.dataReceived') weight.body += params.dataLength;
}
const { page, seen, open, look, close } = await watch({
  chromium, profile, flags: ['--hide-scrollbars'], origin, patience: PATIENCE_MS, hear,
});

async function screen(metrics, scheme) {
  await page('Emulation.setDeviceMetricsOverride', metrics);
  await page('Emulation.setEmulatedMedia', {
    media: '', features: [{ name: 'prefers-color-scheme', value: scheme }],
  });
}

async function picture(name, captureBeyondViewport = true) {
  // The scroll bar is hidden, so its place is, too.
  await look(`document.documentElement.style.scrollbarGutter = 'auto'`);
  const { data } = await page('Page.captureScreenshot', { captureBeyondViewport });
  writeFileSync(`${pictures}/${name}.png`, Buffer.from(data, 'base64'));
}

/// What axe finds serious or critical; the page's own policy is kept.
async function checked() {
  await look(`${readFileSync(axe, 'utf8')}; undefined`);
  return look(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ' ' + nodes.slice(0, 3).map((node) => node.html).join(' '))
    .join(' | '))`);
}

await open(dashboard);

// The weight of one whole page, and what a person waits for: medians of loads without a cache.
await page('Network.setCacheDisabled', { cacheDisabled: true });
await screen(WIDE, 'light');
const MEASURED = `new Promise((done) => {
  const found = { largest: 0, shift: 0, blocked: 0 };
  const hear = (type, each) => new PerformanceObserver((list) => list.getEntries().forEach(each))
    .observe({ type, buffered: true });
  hear('largest-contentful-paint', ({ startTime }) => { found.largest = startTime; });
  hear('layout-shift', ({ value }) => { found.shift += value; });
  hear('longtask', ({ duration }) => { found.blocked += Math.max(0, duration - 50); });
  const [at] = performance.getEntriesByType('navigation');
  setTimeout(() => done({ ...found, first: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    response: at.responseStart, interactive: at.domInteractive, loaded: at.loadEventEnd }), 300);
})`;
const measured = [];
for (let at = 0; at < PAINTS; at += 1) {
  Object.assign(weight, { bytes: 0, body: 0, requests: 0 });
  await open('/?site=large.example&period=30d');
  measured.push(await look(MEASURED));
}
const median = (of) => measured.map((one) => one[of]).sort((a, b) => a - b)[Math.floor(PAINTS / 2)];
say('bytes', Math.round(weight.bytes));
say('uncompressed', Math.round(weight.body));
say('requests', weight.requests);
say('paint', ['first', 'largest'].map((of) => `${of}=${Math.round(median(of))}`).join(' '));
say('timing', ['response', 'interactive', 'loaded'].map((of) => `${of}=${Math.round(median(of))}`).join(' '));
say('blocked', Math.round(median('blocked')));
say('shift', median('shift').toFixed(3));
await page('Network.setCacheDisabled', { cacheDisabled: false });

const SITES = ['empty', 'small', 'large', 'many', 'hostile'];
const serious = [];
const overflow = [];
for (const site of SITES) {
  for (const [size, metrics] of [['wide', WIDE], ['phone', PHONE]]) {
    for (const scheme of ['light', 'dark']) {
      await screen(metrics, scheme);
      await open(`/?site=${site}.example&period=30d`);
      await picture(`${site}-${size}-${scheme}`);
      if (await look('document.documentElement.scrollWidth > innerWidth')) overflow.push(`${site} ${size}`);
      if (site === 'small') continue;
      const found = await checked();
      if (found) serious.push(`${site} ${size} ${scheme}: ${found}`);
    }
  }
}
// At 200 % of 1280 pixels, on paper, and in the few colours that a person has chosen.
const ZOOMED = { width: 640, height: 450, deviceScaleFactor: 2, mobile: false };
const PAPER = { width: 718, height: 1000, deviceScaleFactor: 1, mobile: false };
const CHOSEN = [{ name: 'forced-colors', value: 'active' }, { name: 'prefers-color-scheme', value: 'dark' }];
for (const [name, metrics, media] of [['zoomed', ZOOMED, {}], ['printed', PAPER, { media: 'print' }],
  ['forced', WIDE, { features: CHOSEN }]]) {
  await page('Emulation.setDeviceMetricsOverride', metrics);
  await page('Emulation.setEmulatedMedia', { media: '', features: [], ...media });
  await open('/?site=large.example&period=30d');
  await picture(name);
  if (await look('document.documentElement.scrollWidth > innerWidth')) overflow.push(name);
  if (name === 'printed') continue;
  const found = await checked();
  if (found) serious.push(`${name}: ${found}`);
}
await screen(WIDE, 'dark');
await open('/?site=quiet.example&period=day');
await picture('quiet-wide-dark');
// Of the README: what a person sees first.
for (const scheme of ['light', 'dark']) {
  await screen(README, scheme);
  await open('/?site=coastpath.example&period=30d');
  await picture(`readme-${scheme}`, false);
}
for (const [name, path] of [['list', '/list?site=many.example&by=page'], ['share', share],
  ['quiet', '/?site=quiet.example&period=day'], ['chosen', '/?site=large.example&page=/prices'], ['day', '/?site=large.example&period=day&metric=clicks']]) {
  for (const [size, metrics] of [['phone', PHONE], ['wide', WIDE]]) {
    await screen(metrics, 'light');
    await open(path);
    await picture(`${name}-${size}`);
    if (await look('document.documentElement.scrollWidth > innerWidth')) overflow.push(`${name} ${size}`);
    const found = await checked();
    if (found) serious.push(`${name} ${size}: ${found}`);
  }
}
say('serious', serious.join(' || '));
say('overflow', overflow.join(', '));

// A day that tells nothing of its devices shows those of a longer period, and says so.
await screen(WIDE, 'light');
await open('/?site=quiet.example&period=day');
const [wider, exact] = await look(`(() => {
  const card = (id) => document.querySelector('[aria-labelledby=' + id + '-title]');
  const note = card('device').querySelector('.wider');
  const text = (one) => [...card(one).querySelectorAll('tbody tr')].map((row) => row.textContent.trim());
  const others = [...document.querySelectorAll('tbody tr')].filter((row) => row.textContent.startsWith('(other)'));
  return [note && text('device').length >= 2 && note.querySelector('a').href,
    !card('page').querySelector('.wider') && text('page').join() === '/105'
      && others.length > 0 && others.every((row) => !row.querySelector('.bar'))];
})()`);
say('exact', exact);
await open(wider);
say('widened', await look(`document.querySelector('.when').textContent.startsWith('Today, ')
  && document.body.textContent.includes('Nothing is told apart yet')`));
await open('/?site=empty.example');
say('begin', await look(`document.querySelector('.start pre').textContent.trim().split('\\n').length === 2
  && document.querySelector('.start code').textContent.includes('data-site="empty.example"')
  && document.querySelectorAll('.card').length === 2 && document.querySelectorAll('script').length === 1`));

// By keyboard: the first stop leads past the head, and the script never takes the focus away.
await screen(WIDE, 'light');
await open('/?site=large.example&period=30d');
const key = async (text, code) => {
  for (const type of ['rawKeyDown', 'keyUp']) {
    await page('Input.dispatchKeyEvent', { type, key: text, code: text, windowsVirtualKeyCode: code });
  }
};
await key('Tab', 9);
say('first', await look('document.activeElement.className'));
let stops = 0;
while (stops < 200 && await look('document.activeElement !== document.body')) {
  if (await look(`getComputedStyle(document.activeElement).outlineStyle === 'none'`)) break;
  stops += 1;
  await key('Tab', 9);
}
say('unfocused', await look('document.activeElement === document.body ? "" : document.activeElement.outerHTML'));
say('stops', stops >= 40);

say('troubles', seen.troubles.join(' || '));
say('foreign', seen.foreign.join(' '));

// What was looked for is found where it is: a picture without words.
await look('document.querySelector("main").append(document.createElement("img")); undefined');
say('judged', (await checked()).includes('image-alt'));

// Without script everything is there.
await page('Emulation.setScriptExecutionDisabled', { value: true });
await open('/?site=large.example');
say('scriptless', await look(`document.querySelectorAll('.list').length > 8
  && document.querySelectorAll('svg.plot .bucket').length === 14`));
await close();
process.exit(0);

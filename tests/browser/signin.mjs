// Drives headless Chromium through the sign-in page: by token and by a link's button, once on this machine
// and once by a name, where without TLS the browser does not say Sec-Fetch-Site. Prints one line for each.
// Started by browser.rs:
//   node signin.mjs CHROMIUM PROFILE ORIGIN TOKEN LINK_PATH LINK_PATH
//
// What it is not: a test. browser.rs compares what is printed here with what should be.
//
// What surprises: the name is made up, and the browser is told where it is.

import * as shared from '../chromium.mjs';

const [chromium, profile, origin, token, ...links] = process.argv.slice(2);
const NAME = 'count.example';
const PATIENCE_MS = 600000;

const seen = { loads: 0, sites: [] };
const flags = [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`];
const browser = shared.launch(chromium, profile, flags, ({ method, params }) => {
  if (method === 'Page.loadEventFired') seen.loads += 1;
  if (method === 'Network.requestWillBeSentExtraInfo') {
    const headers = Object.fromEntries(
      Object.entries(params.headers).map(([name, value]) => [name.toLowerCase(), value]));
    if (headers[':method'] === 'POST' || headers['content-type']) {
      seen.sites.push(`${headers.origin ?? 'none'} ${headers['sec-fetch-site'] ?? 'none'}`);
    }
  }
});
const fail = (why) => { console.log(`failed ${why}`); browser.kill(); process.exit(1); };
browser.onError((error) => fail(error.message));
process.on('uncaughtException', (error) => fail(error.message));
setTimeout(() => fail('nothing happened for too long'), PATIENCE_MS).unref();

const page = await shared.tab(browser, ['Page', 'Runtime', 'Network']);
const look = (expression) => shared.look(page, expression);
const open = (url) => shared.open(page, url, () => seen.loads);

/** Presses a button and waits for the page after it; where that is. */
async function press(selector) {
  const before = seen.loads;
  await shared.click(page, selector);
  await shared.until(`the page after ${selector}`, () => seen.loads > before);
  return look('`${location.pathname}${location.search} ${document.querySelectorAll(".headlines, .start").length}`');
}

for (const host of ['127.0.0.1', NAME]) {
  const here = origin.replace('127.0.0.1', host);
  await open(`${here}/signin`);
  await look(`{ document.querySelector('#token').value = ${JSON.stringify(token)}; }`);
  console.log(`${host} token ${await press('form button')}`);
  console.log(`${host} out ${await press('form[action="/signout"] button')}`);
  await open(here + links.shift());
  console.log(`${host} link ${await press('form button')}`);
  const [first] = seen.sites;
  console.log(`${host} said ${first.replace(origin, 'own').replace(here, 'own')}`);
  seen.sites.length = 0;
}
await browser.close();
process.exit(0);

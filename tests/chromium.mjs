// Headless Chromium over two pipes: what every driver of a browser test shares.
//
// What it is not: a package, or a test framework. Whoever uses it says what to do and prints what was
// found.
//
// What surprises: Chromium speaks its protocol as JSON between NUL bytes, and answers and events
// arrive in the order in which they happened.

import { spawn } from 'node:child_process';

const PATIENCE_MS = 300000;
const PAUSE_MS = 10;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until it is so, and says what was found; fails with the words otherwise. */
export async function until(words, what, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${words}: waited in vain`);
    await pause(PAUSE_MS);
  }
}

/** Starts a browser. `flags` are those of this driver alone; `hear` is told every event. */
export function launch(program, profile, flags, hear) {
  const browser = spawn(program, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--remote-debugging-pipe', `--user-data-dir=${profile}`, ...flags,
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [toBrowser, fromBrowser] = [browser.stdio[3], browser.stdio[4]];
  const gone = new Promise((done) => { browser.on('exit', done); });
  const waiting = new Map();
  let [last, rest] = [0, Buffer.alloc(0)];

  fromBrowser.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      take(JSON.parse(rest.subarray(0, end)));
      rest = rest.subarray(end + 1);
    }
  });

  function take({ id, result, error, ...event }) {
    if (!id) return hear(event);
    const { done, failed } = waiting.get(id);
    waiting.delete(id);
    return error ? failed(new Error(error.message)) : done(result);
  }

  function send(method, params = {}, sessionId = undefined) {
    last += 1;
    toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    return new Promise((done, failed) => waiting.set(last, { done, failed }));
  }

  /** Ends the browser; on its way out it still writes into its profile. */
  async function close() {
    await send('Browser.close').catch(() => {});
    await gone;
  }

  const kill = () => browser.kill('SIGKILL');
  return { send, close, kill, onError: (act) => browser.on('error', act) };
}

/** Opens a tab and listens to these rooms of the protocol; what it returns asks that tab. */
export async function tab({ send }, rooms) {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => send(method, params, sessionId);
  for (const room of rooms) await page(`${room}.enable`);
  return page;
}

/** What a page complains of in this event; nothing of most. */
export function trouble({ method, params }) {
  if (method === 'Runtime.exceptionThrown') {
    const { text, exception } = params.exceptionDetails;
    return `${text} ${exception?.description ?? ''}`;
  }
  if (method === 'Runtime.consoleAPICalled') return `console.${params.type}`;
  if (method === 'Log.entryAdded') return `${params.entry.text} ${params.entry.url ?? ''}`;
  if (method === 'Audits.issueAdded' && params.issue.code === 'ContentSecurityPolicyIssue') {
    return JSON.stringify(params.issue);
  }
  return undefined;
}

/** Where a page asks that is not of this origin; nothing of other events. */
export function foreign({ method, params }, origin) {
  if (method !== 'Network.requestWillBeSent') return undefined;
  const asked = new URL(params.request.url);
  return asked.protocol !== 'data:' && asked.origin !== origin ? params.request.url : undefined;
}

/** The value of an expression in the page. */
export async function look(page, expression, more = {}) {
  const asked = { expression, awaitPromise: true, returnByValue: true, ...more };
  const { result, exceptionDetails } = await page('Runtime.evaluate', asked);
  if (exceptionDetails) {
    const { text, exception } = exceptionDetails;
    throw new Error(`${expression.slice(0, 200)}: ${text} ${exception?.description ?? ''}`);
  }
  return result.value;
}

/** Goes to an address and waits until `loads`, which counts load events, has grown. */
export async function open(page, url, loads, { patience, ...more } = {}) {
  const before = loads();
  const { errorText } = await page('Page.navigate', { url, ...more });
  if (errorText) throw new Error(`${url}: ${errorText}`);
  await until(`${url} to load`, () => loads() > before, patience);
}

/** Prints one thing that was found. */
export const say = (name, value) => console.log(`${name} ${value}`);

/**
 * A browser with one tab that looks at one origin. `seen` has what pages complained of, dialogs too (they
 * are refused), and who else they asked; `hear` is told every event besides. Whatever fails, and `limit`
 * once it is over, is printed as `failed` and ends browser and driver.
 */
export async function watch({ chromium, profile, flags = [], origin, patience, limit, hear = () => {} }) {
  const seen = { troubles: [], foreign: [], loads: 0 };
  let page;
  const browser = launch(chromium, profile, flags, (event) => {
    const { method, params } = event;
    if (method === 'Page.loadEventFired') seen.loads += 1;
    if (method === 'Page.javascriptDialogOpening') {
      seen.troubles.push(`dialog ${params.message}`);
      page('Page.handleJavaScriptDialog', { accept: false });
    }
    const [complaint, elsewhere] = [trouble(event), foreign(event, origin)];
    if (complaint) seen.troubles.push(complaint);
    if (elsewhere) seen.foreign.push(elsewhere);
    hear(event);
  });
  const fail = (why) => { say('failed', why); browser.kill(); process.exit(1); };
  browser.onError((error) => fail(error.message));
  process.on('uncaughtException', (error) => fail(error.message));
  if (limit) setTimeout(() => fail('nothing happened for too long'), limit).unref();
  page = await tab(browser, ['Page', 'Runtime', 'Log', 'Network', 'Audits']);
  return {
    page, seen, send: browser.send, close: browser.close,
    open: (path) => open(page, new URL(path, origin).href, () => seen.loads, { patience }),
    look: (expression) => look(page, expression),
  };
}

/** A real press of a real button: events made by script would not be trusted ones. */
export async function click(page, selector, button = 'left') {
  const { x, y } = await look(page, `(() => {
    const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  })()`);
  const at = { x, y, button, clickCount: 1 };
  await page('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
  await page('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
}

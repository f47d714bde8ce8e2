// Headless Chromium as a person would use it: open, look, click, go back.
//
// What it is not: a test framework. Whoever uses it says what to do and prints what was found.
//
// What surprises: every host name leads to one server of ours, so sites have real names and no
// request can leave this machine. And what a page sends while it handles a click is known when the
// click returns: the browser tells both over the same pipe, in their order.

import { spawn } from 'node:child_process';

const PATIENCE_MS = 20000;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until it is so; fails with the words otherwise. */
export async function until(what, words) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${words}: waited in vain`);
    await pause(10);
  }
}

/** A browser with one tab. `port` is that of the server that plays every host. */
export async function start({ chromium, profile, agent, port }) {
  const browser = spawn(chromium, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // Neither is on where memory is small, and a test machine's is.
    '--disable-features=Prerender2MemoryControls', '--enable-features=BackForwardCache:enable_same_site/true',
    '--window-size=1000,800', '--remote-debugging-pipe',
    `--host-resolver-rules=MAP * 127.0.0.1:${port}`,
    `--user-data-dir=${profile}`, `--user-agent=${agent}`,
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [toBrowser, fromBrowser] = [browser.stdio[3], browser.stdio[4]];
  const gone = new Promise((done) => { browser.on('exit', done); });
  const waiting = new Map();
  const sessions = new Map();
  const seen = { troubles: [], loads: 0, hits: 0 };
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
    if (method === 'Target.attachedToTarget') attached(params);
    if (method === 'Target.detachedFromTarget') sessions.delete(params.sessionId);
    if (method === 'Page.loadEventFired') seen.loads += 1;
    if (method === 'Runtime.exceptionThrown') seen.troubles.push(params.exceptionDetails.exception?.description);
    if (method === 'Runtime.consoleAPICalled') seen.troubles.push(`console.${params.type}`);
    if (method === 'Log.entryAdded') seen.troubles.push(`${params.entry.text} ${params.entry.url}`);
    if (method === 'Audits.issueAdded' && params.issue.code === 'ContentSecurityPolicyIssue') {
      seen.troubles.push(JSON.stringify(params.issue));
    }
    if (method === 'Network.requestWillBeSent' && new URL(params.request.url).pathname === '/hit') seen.hits += 1;
  }

  function send(method, params = {}, sessionId = undefined) {
    last += 1;
    toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    return new Promise((done, failed) => waiting.set(last, { done, failed }));
  }

  // A page that was rendered ahead takes the other's place: the tab stays, its page is another. Who
  // attaches to the page and not to the tab keeps the browser from rendering ahead at all.
  function attached({ sessionId, targetInfo }) {
    if (targetInfo.type !== 'page') return;
    const rooms = ['Page', 'Runtime', 'Log', 'Network', 'Audits'];
    const ready = Promise.all(rooms.map((room) => send(`${room}.enable`, {}, sessionId)));
    sessions.set(sessionId, { ahead: targetInfo.subtype === 'prerender', ready });
  }

  async function page(method, params) {
    const shown = () => [...sessions].find(([, { ahead }]) => !ahead) ?? [...sessions][0];
    const [sessionId, { ready }] = await until(shown, 'a page in the tab');
    await ready;
    return send(method, params, sessionId);
  }

  const { targetId } = await send('Target.createTarget', { url: 'about:blank', forTab: true });
  const { sessionId: tab } = await send('Target.attachToTarget', { targetId, flatten: true });
  await send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: true }, tab);

  /** Does something that leads to another page, and waits until that is loaded. */
  async function leads(act) {
    const before = seen.loads;
    await act();
    await until(() => seen.loads > before, 'a page that loads');
  }

  async function look(expression) {
    const asked = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = await page('Runtime.evaluate', asked);
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** A real press of a real button: events made by script would not be trusted ones. */
  async function click(selector, button = 'left') {
    const { x, y } = await look(`(() => {
      const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()`);
    const at = { x, y, button, clickCount: 1 };
    await page('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
    await page('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
  }

  const open = (url, referrer) => leads(async () => {
    const { errorText } = await page('Page.navigate', { url, referrer });
    if (errorText) throw new Error(`${url}: ${errorText}`);
  });

  /** Looks at the page that was rendered ahead from now on. The old one sleeps and says nothing. */
  function follow() {
    for (const [id, session] of sessions) session.ahead ? session.ahead = false : sessions.delete(id);
  }

  /** Ends the browser; on its way out it still writes into its profile. */
  async function close() {
    const { cookies } = await send('Storage.getCookies');
    await send('Browser.close').catch(() => {});
    await gone;
    return cookies.length;
  }

  return { page, seen, leads, look, click, open, follow, close };
}

// Headless Chromium over two pipes, as compat.rs's driver needs it.
//
// What it is not: a package, or a test.
//
// What surprises: host names are dealt out here. A page has its site's own name, so that Origin,
// Referer and the rules between origins are the real ones.

import { spawn } from 'node:child_process';

const PATIENCE_MS = 20000;
const PAUSE_MS = 10;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits until something holds; says what did not, and whatever the browser complained of.
export async function until(what, holds, troubles = []) {
  const end = Date.now() + PATIENCE_MS;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`waited too long: ${[what, ...troubles].join(' | ')}`);
    await pause(PAUSE_MS);
  }
}

// One tab of a browser that finds `hosts` ({name: port}) on this machine.
export async function start(program, profile, agent, hosts) {
  const rules = Object.entries(hosts).map(([name, port]) => `MAP ${name} 127.0.0.1:${port}`);
  const browser = spawn(program, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--no-proxy-server', '--remote-debugging-pipe', `--host-resolver-rules=${rules.join(',')}`,
    `--user-data-dir=${profile}`, `--user-agent=${agent}`,
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [toBrowser, fromBrowser] = [browser.stdio[3], browser.stdio[4]];
  const waiting = new Map();
  const troubles = [];
  let [last, loads, rest] = [0, 0, Buffer.alloc(0)];

  function hear({ id, result, error, method, params }) {
    if (id) {
      const { done, failed } = waiting.get(id);
      waiting.delete(id);
      return error ? failed(new Error(error.message)) : done(result);
    }
    if (method === 'Page.loadEventFired') loads += 1;
    if (method === 'Runtime.exceptionThrown') {
      const { text, exception } = params.exceptionDetails;
      troubles.push(`${text} ${exception?.description ?? ''}`);
    }
    if (method === 'Log.entryAdded') troubles.push(`${params.entry.text} ${params.entry.url ?? ''}`);
  }
  fromBrowser.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      hear(JSON.parse(rest.subarray(0, end)));
      rest = rest.subarray(end + 1);
    }
  });
  function send(method, params = {}, sessionId = undefined) {
    last += 1;
    toBrowser.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    return new Promise((done, failed) => waiting.set(last, { done, failed }));
  }

  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => send(method, params, sessionId);
  for (const room of ['Page', 'Runtime', 'Log']) await page(`${room}.enable`);

  async function open(url) {
    const before = loads;
    const { errorText } = await page('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await until(`${url} to load`, () => loads > before);
  }
  async function look(expression) {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await page('Runtime.evaluate', asked);
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }
  // On its way out the browser still writes into its profile.
  async function close() {
    const gone = new Promise((done) => { browser.on('exit', done); });
    await send('Browser.close').catch(() => {});
    await gone;
  }
  return { open, look, close, troubles, kill: () => browser.kill('SIGKILL') };
}

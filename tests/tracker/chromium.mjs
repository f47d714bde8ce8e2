// Headless Chromium as a person would use it: open, look, click, go back.
//
// What it is not: the protocol; that is `../chromium.mjs`.
//
// What surprises: every host name leads to one server of ours, so sites have real names and no
// request can leave this machine. And what a page sends while it handles a click is known when the
// click returns: the browser tells both over the same pipe, in their order.

import * as shared from '../chromium.mjs';

export { pause, until } from '../chromium.mjs';

/** A browser with one tab. `port` is that of the server that plays every host. */
export async function start({ chromium, profile, agent, port }) {
  const sessions = new Map();
  const seen = { troubles: [], loads: 0, hits: 0 };
  const browser = shared.launch(chromium, profile, [
    // Neither is on where memory is small, and a test machine's is.
    '--disable-features=Prerender2MemoryControls', '--enable-features=BackForwardCache:enable_same_site/true',
    '--window-size=1000,800', `--host-resolver-rules=MAP * 127.0.0.1:${port}`, `--user-agent=${agent}`,
  ], hear);
  const { send } = browser;

  function hear(event) {
    const { method, params } = event;
    if (method === 'Target.attachedToTarget') attached(params);
    if (method === 'Target.detachedFromTarget') sessions.delete(params.sessionId);
    if (method === 'Page.loadEventFired') seen.loads += 1;
    if (method === 'Network.requestWillBeSent' && new URL(params.request.url).pathname === '/hit') seen.hits += 1;
    const trouble = shared.trouble(event);
    if (trouble) seen.troubles.push(trouble);
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
    const [sessionId, { ready }] = await shared.until('a page in the tab', shown);
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
    await shared.until('a page that loads', () => seen.loads > before);
  }

  const look = (expression) => shared.look(page, expression, { userGesture: true });
  const click = (selector, button) => shared.click(page, selector, button);
  const open = (url, referrer) => shared.open(page, url, () => seen.loads, { referrer });

  /** Looks at the page that was rendered ahead from now on. The old one sleeps and says nothing. */
  function follow() {
    for (const [id, session] of sessions) session.ahead ? session.ahead = false : sessions.delete(id);
  }

  /** Ends the browser; the number of its cookies. */
  async function close() {
    const { cookies } = await send('Storage.getCookies');
    await browser.close();
    return cookies.length;
  }

  return { page, seen, leads, look, click, open, follow, close };
}

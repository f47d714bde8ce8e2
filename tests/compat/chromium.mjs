// Headless Chromium as compat.rs's driver needs it: a tab in which sites have names.
//
// What it is not: the protocol; that is `../chromium.mjs`.
//
// What surprises: host names are dealt out here. A page has its site's own name, so that Origin,
// Referer and the rules between origins are the real ones.

import * as shared from '../chromium.mjs';

// Waits until something holds; says what did not, and whatever the browser complained of.
export function until(what, holds, troubles = []) {
  const said = (error) => { throw new Error([error.message, ...troubles].join(' | ')); };
  return shared.until(what, holds).catch(said);
}

// One tab of a browser that finds `hosts` ({name: port}) on this machine.
export async function start(program, profile, agent, hosts) {
  const rules = Object.entries(hosts).map(([name, port]) => `MAP ${name} 127.0.0.1:${port}`);
  const troubles = [];
  let loads = 0;
  const browser = shared.launch(program, profile, [
    '--no-proxy-server', `--host-resolver-rules=${rules.join(',')}`, `--user-agent=${agent}`,
  ], (event) => {
    if (event.method === 'Page.loadEventFired') loads += 1;
    // What a tool's script says on the console is its own affair.
    const trouble = event.method !== 'Runtime.consoleAPICalled' && shared.trouble(event);
    if (trouble) troubles.push(trouble);
  });
  const page = await shared.tab(browser, ['Page', 'Runtime', 'Log']);
  return {
    open: (url) => shared.open(page, url, () => loads),
    look: (expression) => shared.look(page, expression),
    close: browser.close, troubles, kill: browser.kill,
  };
}

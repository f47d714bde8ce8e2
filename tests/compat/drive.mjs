// Lets the published clients of other tools send what they send, with a marker in every field they
// offer, and prints as lines "name value" what happened. Started by compat.rs:
//   node drive.mjs CHROMIUM PROFILE AGENT COLLECTOR MODULES UMAMI_ID
//
// What it is not: a test. compat.rs compares what is printed here, and what was counted.
//
// What surprises: everything goes through a recorder that only passes bytes on, because a marker
// that was never sent cannot be found either. GoatCounter's script is in no package: its part are
// the requests that its own guide documents (https://www.goatcounter.com/help/pixel).

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import net from 'node:net';
import { start, until } from './chromium.mjs';

const [chromium, profile, agent, collector, modules, umamiId] = process.argv.slice(2);
const SITE = 'moved.example.com';
const COUNT = 'http://count.example.net';

// Markers: what is read and must be cleaned away, and what is never read.
const marks = { read: [], extra: [] };
const mark = (kind) => (name) => {
  marks[kind].push(`kanarie${name}`);
  return `kanarie${name}`;
};
const [read, extra] = [mark('read'), mark('extra')];
const query = (name) => `utm_source=brev&x=${read(`${name}fraga`)}`;
const from = (name) => `https://sok.example.net/${read(`${name}vag`)}`;
const out = (name) => `http://ut.example.net/${read(`${name}mal`)}`;

const heard = [];
const recorder = net.createServer((client) => {
  const [host, port] = collector.split(':');
  const server = net.connect(Number(port), host);
  client.on('data', (bytes) => heard.push(bytes));
  client.pipe(server);
  server.pipe(client);
  for (const end of [client, server]) end.on('error', () => { client.destroy(); server.destroy(); });
});
const carried = (text) => Buffer.concat(heard).includes(text);

const pages = {
  '/plausible': () => `<title>plausible</title>
    <a href="${out('plausible')}">out</a>
    <script type="module">
      import Plausible from '/npm/plausible-tracker/build/module/index.js';
      window.statuses = [];
      // As published it is called with nothing.
      const callback = () => statuses.push('answered');
      const tracker = Plausible({ domain: '${SITE}', apiHost: '${COUNT}', hashMode: true });
      tracker.trackPageview(
        { referrer: '${from('plausible')}', deviceWidth: '${extra('plausiblebredd')}' },
        { props: { plan: '${extra('plausiblesidegenskap')}' }, callback });
      tracker.trackEvent('Sign up',
        { props: { url: '${extra('plausiblelank')}', '${extra('plausiblenyckel')}': 1 }, callback });
      tracker.trackEvent('${read('plausiblehandelse')}', { callback });
      tracker.enableAutoOutboundTracking();
    </script>`,
  '/nyplausible': () => `<title>plausible</title>
    <a id="out" href="${out('nyplausible')}">out</a> <a id="file" href="/filer/prislista.pdf">file</a>
    <script type="module">
      import { init, track } from '/npm/@plausible-analytics/tracker/plausible.js';
      window.statuses = [];
      window.__plausible = true;
      init({ domain: '${SITE}', endpoint: '${COUNT}/api/event', outboundLinks: true,
        fileDownloads: true, customProperties: { plan: '${extra('nyplausibleegenskap')}' } });
      track('Sign up', {
        props: { who: '${extra('nyplausiblevem')}' },
        revenue: { currency: '${extra('nyplausiblevaluta')}', amount: 1299 },
        callback: ({ status }) => statuses.push(status) });
      document.addEventListener('click', (event) => event.preventDefault());
    </script>`,
  '/umami/skript': (link = out('umamiskript')) => `<title>${extra('umamiskripttitel')}</title>
    <a id="out" target="_blank" href="${link}" data-umami-event="outbound-link-click"
      data-umami-event-url="${link}"
      data-umami-event-note="${extra('umamiskriptnot')}">out</a>
    <script defer src="/umami.js" data-website-id="${umamiId}" data-host-url="${COUNT}"></script>`,
  '/goat': () => {
    const search = `p=%2Fgoat&t=${extra('goattitel')}&r=${encodeURIComponent(from('goat'))}`
      + `&q=${encodeURIComponent(`?${query('goat')}`)}&s=1920,${extra('goatskarm')},1&b=0`
      + `&rnd=${extra('goatslump')}`;
    return `<title>goat</title><img src="${COUNT}/count?${search}">
      <img src="${COUNT}/count?p=Sign%20up&e=true&t=${extra('goathandelsetitel')}">`;
  },
};
const made = Object.fromEntries(Object.entries(pages).map(([path, make]) => [path, make()]));

const host = createServer((request, response) => {
  const { pathname } = new URL(request.url, `http://${SITE}`);
  const say = (type, body) => response.writeHead(200, { 'Content-Type': type }).end(body);
  if (pathname === '/umami.js') {
    return say('text/javascript', readFileSync(join(modules, 'package/src/tracker/index.js')));
  }
  if (pathname.startsWith('/npm/')) {
    // The older client's modules name each other without an ending, as its bundlers take it.
    const name = pathname.slice(5).replace(/(\.js)?$/, '.js');
    return say('text/javascript', readFileSync(join(modules, 'node_modules', name)));
  }
  return say('text/html; charset=utf-8', made[pathname] ?? '<title>elsewhere</title>');
});

const listening = (server) => new Promise((done) => {
  server.listen(0, '127.0.0.1', () => done(server.address().port));
});
const [recorderPort, pagesPort] = [await listening(recorder), await listening(host)];
const relay = `http://127.0.0.1:${recorderPort}`;

async function inBrowser() {
  const browser = await start(chromium, profile, agent, {
    'count.example.net': recorderPort, [SITE]: pagesPort, '*.example.net': pagesPort,
  });
  process.on('exit', browser.kill);
  const { open, look } = browser;
  const statuses = (count) => until(
    `${count} answers`, async () => await look('statuses.length') >= count, browser.troubles);
  const click = (id) => look(`document.querySelector('${id}').click()`);

  await open(`http://${SITE}/plausible?${query('plausible')}#${read('plausibleankare')}`);
  await statuses(3);
  console.log(`plausible ${await look('statuses.join(" ")')}`);
  await click('a');
  await until('the link of plausible', () => carried('kanarieplausiblemal'));

  await open(`http://${SITE}/nyplausible?${query('nyplausible')}`);
  await statuses(1);
  await click('#out');
  await click('#file');
  await until('the links of nyplausible', () => carried('prislista.pdf'));
  console.log(`nyplausible ${await look('statuses.join(" ")')}`);

  await open(`http://${SITE}/umami/skript?${query('umamiskript')}`);
  await until('the view of umami', () => carried('kanarieumamiskriptfraga'));
  // What umami.track gives is the answer that it keeps and sends back.
  const kept = await look(`umami.track('Sign up', { plan: '${extra('umamiskriptplan')}' })`);
  await look(`umami.identify({ mail: '${extra('umamiskriptmejl')}' })`);
  await look(`history.pushState({}, '', '/umami/andra?x=${read('umamiskriptandra')}')`);
  await until('the second view of umami', () => carried('kanarieumamiskriptandra'));
  await click('#out');
  await until('the link of umami', () => carried('kanarieumamiskriptmal'));
  console.log(`umamiskript ${kept}`);
  console.log(`umamitoken ${/x-umami-cache: (.*)\r/i.exec(Buffer.concat(heard))?.[1]}`);

  await open(`http://${SITE}/goat`);
  const event = `${COUNT}/count?p=${read('goathandelse')}&e=1`;
  console.log(`goat ${await look(`[...document.images].map((one) => one.naturalWidth).join(' ')`)} ${
    await look(`navigator.sendBeacon('${event}')`)}`);
  await until('the event of goat', () => carried('kanariegoathandelse'));
  await open('about:blank');
  console.log(`troubles ${browser.troubles.join(' | ')}`);
  await browser.close();
}

async function umamiInNode() {
  const require = createRequire(join(modules, 'x.js'));
  const { Umami } = await import(pathToFileURL(require.resolve('@umami/node')));
  const umami = new Umami({
    websiteId: umamiId, hostUrl: relay, userAgent: `${agent} ${extra('umaminodagent')}`,
  });
  const answers = [
    await umami.track({
      url: `/umami/nod?${query('umaminod')}`, referrer: from('umaminod'), hostname: SITE,
      title: extra('umaminodtitel'), language: extra('umaminodsprak'),
      screen: extra('umaminodskarm'), tag: extra('umaminodetikett'), id: extra('umaminodid'),
      ip: '198.51.77.201', data: { plan: extra('umaminodplan') },
    }),
    await umami.track('Sign up', { mail: extra('umaminodmejl') }),
    await umami.track(read('umaminodhandelse')),
    await umami.identify({ mail: extra('umaminodidentitet') }),
  ];
  console.log(`umaminod ${answers.map(({ status }) => status).join(' ')} ${await answers[0].text()}`);
}

async function matomoInNode() {
  const MatomoTracker = createRequire(join(modules, 'x.js'))('matomo-tracker');
  const tracker = new MatomoTracker(7, `${relay}/matomo.php`);
  const errors = [];
  tracker.on('error', (error) => errors.push(error));
  const url = `http://${SITE}/matomo?${query('matomo')}`;
  const ua = `${agent} ${extra('matomoagent')}`;
  tracker.track({
    url, ua, urlref: from('matomo'), action_name: extra('matomotitel'), uid: extra('matomouid'),
    _id: extra('matomobesokare'), cid: extra('matomocid'), cip: '198.51.77.201',
    token_auth: extra('matomonyckel'), lang: extra('matomosprak'), res: extra('matomoskarm'),
    cvar: JSON.stringify({ 1: [extra('matomovarnamn'), extra('matomovariabel')] }),
    dimension1: extra('matomodimension'), search: extra('matomosokning'), city: extra('matomostad'),
    revenue: '1299',
  });
  tracker.track({ url, ua, send_image: 0 });
  tracker.track({ url, ua, e_c: 'Cart', e_a: 'Add', e_n: extra('matomohandelsenamn'), e_v: '7' });
  tracker.track({ url, ua, link: out('matomo') });
  const bulk = await new Promise((done) => {
    tracker.trackBulk([
      { url, ua, uid: extra('matomobuntuid') },
      { url, ua, e_c: read('matomohandelse'), e_a: 'x' },
      { url, ua, ping: 1 },
      { url, ua, download: `http://${SITE}/filer/prislista.pdf` },
    ], done);
  });
  await until('four answers to matomo', () => Buffer.concat(heard).toString().split('GET /matomo').length > 4);
  console.log(`matomo ${bulk}`);
  console.log(`matomoerrors ${errors.join(' ')}`);
}

await Promise.all([inBrowser(), umamiInNode(), matomoInNode()]);
for (const [kind, all] of Object.entries(marks)) {
  console.log(`${kind} ${all.join(' ')}`);
  console.log(`unsent ${all.filter((one) => !carried(one)).join(' ')}`);
}
process.exit(0);

// The tracker, as people read it. `headcount.js` is what is served, made from it by
//   npx terser@5 headcount.src.js --compress passes=3 --mangle --toplevel --output headcount.js
//
// What it is not: it reads no screen, no fonts, no clock; it stores nothing and makes nothing up.
//
// What surprises: it asks for the referrer policy `origin`, not `no-referrer`. With `no-referrer` a
// browser writes `Origin: null` on a `no-cors` request, and the collector could not see that the
// view comes from the site. Nothing but the origin is sent either way. The tricks are there because
// what is served must stay under 900 bytes.
{
  let page = document, place = location, past = history, me = navigator,
    { src, dataset: { site = place.hostname } } = page.currentScript,
    // Scheme and host of what led here; for every view after the first in this document, the site.
    referrer = page.referrer.split('/', 3).join`/`,
    counted,

    send = (what) =>
      // A body of text has the type text/plain, which needs no preflight.
      fetch(new URL('/hit', src), {
        method: 'POST', mode: 'no-cors', credentials: 'omit', referrerPolicy: 'origin', keepalive: 1,
        body: JSON.stringify({
          s: site,
          // Of the query only the three campaign keys leave the page; of the fragment nothing does.
          p: place.pathname + place.search
            .replace(/[?&](?!utm_(source|medium|campaign)=)[^&]*/g, '').replace(/^&/, '?'),
          ...what,
        }),
        // A request that fails is no error of the page; the path is counted, so `view` does nothing.
      }).catch(view),

    // A page that is rendered ahead has not been seen; the same path again is not another view.
    view = () => page.prerendering || counted != (counted = place.pathname) &&
      send({ r: referrer }, referrer = place.origin);

  // Global Privacy Control and Do Not Track: nothing is sent.
  me.globalPrivacyControl || me.doNotTrack > 0 || (
    'pushState replaceState popstate pageshow prerenderingchange click auxclick'.split` `.map((name) => {
      // Single-page apps: a new path is a new view. What is no method of the history is an event.
      let method = past[name];
      method ? past[name] = (...args) => view(method.apply(past, args)) :
        addEventListener(name, ({ button, persisted, target },
          // The right button opens a menu, not a link; what is not a click has no button.
          { dataset: { headcount } = {}, hostname, origin, protocol } =
            button < 2 && target.closest && target.closest('[data-headcount],a') || {}) =>
          headcount ? send({ e: headcount }) :
            // Of other sites the origin is sent, of the site itself and its subdomains nothing.
            hostname ? ('.' + hostname).endsWith('.' + site) || send({ c: origin }) :
              /mailto|tel|sms/.test(protocol) ? send({ c: protocol }) :
                // A page that comes back from the back/forward cache is seen again.
                view(persisted && (counted = 0)), 1);
    }), view());
}

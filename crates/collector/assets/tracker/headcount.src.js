// The tracker, as people read it. What is served is made from it by make.mjs, beside it.
//
// What it is not: it reads no screen, no fonts, no clock; it stores nothing and makes nothing up.
//
// What surprises: all that happens goes through one function, `look`, which asks each time what
// there is to tell. And the order of things: what is served must stay under 900 bytes, 500 of
// Brotli, and of all orders in which a list may be written, the one is here that packs best.
//
// Variables of one letter are the fields of a hit: s, p, r, c, e.
{
  let me = navigator, page = document, place = location, past = history,
    // The page as it was last counted: address and route, without query.
    counted,
    // The switches are read each time. So a consent tool starts and stops the tracker by taking
    // `data-wait` off the script's tag and putting it on again.
    { src, dataset: data } = page.currentScript,
    // Scheme and host of what led here; for every view after the first in this document, the site.
    r = page.referrer.split('/', 3).join`/`,
    s = data.site || place.hostname,

    look = (
      event = 0,
      // The right button opens a menu, not a link; what is not a click has no button.
      link = event.button < 2 && event.target.closest?.('a,[data-headcount]'),
      c, e,
    ) =>
      // The site still waits for consent, or the page is rendered ahead and was not seen.
      data.wait ?? (page.prerendering || (
        link ?
          (data.noNamed ?? (e = link.dataset.headcount)) || (c =
            // Of links within the site and its subdomains those count that are downloads, by their
            // path; without `data-downloads` this asks for an element <undefined>, and there is none.
            ('.' + link.hostname).endsWith('.' + s) ? link.matches(data.downloads) && link.pathname :
              // Of other sites the origin is told. Mail and telephone have no host.
              data.noOutbound ?? (link.host && link.origin)) :
          // A page that comes back from the back/forward cache is seen again; else the same page
          // is no other view. `|` and not `||`: `counted` is set in any case.
          event.persisted | counted != (counted = place.origin + place.pathname +
            // Of the fragment nothing is told, or with `data-hash` what looks like a route, #/a or #!/a.
            place.hash.replace(/#!?(\/[^?]*)|./g, 'hash' in data ? '$1' : ''))
      ) && fetch(new URL('hit', src), {
        credentials: 'omit', method: 'POST',
        // The page's address is not told twice, and this once without its query.
        referrer: '',
        // A body of text has the type text/plain, which needs no preflight.
        body: JSON.stringify({
          r,
          // Of the query the question mark and the three campaign keys are told.
          p: counted + place.search.replace(/(^.|\butm_(source|medium|campaign)=[^&]*&?)|./g, '$1'),
          // What is undefined JSON leaves out.
          c, e, s,
        }),
        keepalive: 1,
        // A request that fails is no error of the page; the page is counted, so `look` does nothing.
      }).catch(look, r = place.origin));

  // Global Privacy Control and Do Not Track: nothing is listened to and nothing is sent.
  me.globalPrivacyControl || me.doNotTrack > 0 || look(
    'pageshow pushState popstate replaceState prerenderingchange click auxclick headcount'.split` `.map((name) => {
      // Single-page apps: a new path is a new view. What is no method of the history is an event;
      // `headcount` is the one by which a site says: look again.
      let method = past[name];
      method ? past[name] = (...args) => look(method.apply(past, args)) :
        // In the capturing phase, so that nobody can be first and stop it.
        addEventListener(name, look, 1);
    }));
}
